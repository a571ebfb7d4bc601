// Write components/contours.json: the SVG outline of every département that dsfr-chart draws
// (96 in one drawing, 5 overseas in frames of their own), so that no outline is kept here.
import fs from 'node:fs';

const map = fs.readFileSync('node_modules/@gouvfr/dsfr-chart/dist/MapChart/MapChart.js', 'utf8');
const mainland = [...map.matchAll(/class: "FR-(\d[\dAB])",[^"]*(?:"FR-[^"]*"[^"]*)?d: "([^"]+)"/g)];
const overseas = [
	...map.matchAll(/viewBox: "(0 0 \d+ \d+)"(?:(?!viewBox)[^])*?class: "FR-(97\d)",\s*d: "([^"]+)"/g)
];
if (mainland.length !== 96 || overseas.length !== 5) {
	throw new Error(
		`Contours inattendus dans @gouvfr/dsfr-chart : ${mainland.length} et ${overseas.length} au lieu de 96 et 5.`
	);
}
fs.writeFileSync(
	'components/contours.json',
	JSON.stringify({
		mainland: mainland.map(([, code, path]) => ({ code, path })),
		overseas: overseas.map(([, viewBox, code, path]) => ({ code, path, viewBox }))
	})
);
