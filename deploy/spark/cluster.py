"""A whole Spark cluster on this machine: `python -m deploy.spark.cluster start | stop | status`.

A master, two workers and a driver (thrift server and Spark Connect), each a process of its own,
from the pyspark wheel alone. It is the one of `make cluster-test`; a real one is described in
docs/spark.md. Loopback only, and nothing is asked of who connects: never open it to a network.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pyspark

HOME = Path(pyspark.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
MASTER, MASTER_UI, THRIFT, CONNECT = 17077, 18080, 11000, 15002
WORKERS = 2


class ClusterError(RuntimeError):
    """A process of the cluster did not start, or ended."""


@dataclass(frozen=True)
class Cluster:
    """Processes that outlive this one: `folder` holds what they are, what they say and write."""

    folder: Path
    cores: int = 1  # of each worker
    memory: str = "1g"  # of each worker's executor
    driver_memory: str = "1g"

    def start(self) -> None:
        for folder in (self.folder, self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        self._class("master", "Master", "--host", HOST, "--port", MASTER, "--webui-port", MASTER_UI)
        self._wait("master", MASTER)
        for number in range(1, WORKERS + 1):
            self.start_worker(number)
        self.start_driver()

    def start_worker(self, number: int) -> None:
        # An address of its own: on a shared one Spark takes a dead worker for a dead machine, and
        # drops what the other one has shuffled too.
        address = f"127.0.0.{10 + number}"
        self._class(
            f"worker{number}", "Worker", "--host", address, "--port", 17090 + number,
            "--webui-port", 18090 + number, "--cores", self.cores, "--memory", self.memory,
            "--work-dir", self.folder / f"work{number}", f"spark://{HOST}:{MASTER}",
            address=address,
        )  # fmt: skip

    def start_driver(self) -> None:
        metastore = self.folder / "metastore"
        settings = {
            "spark.driver.host": HOST,
            "spark.driver.bindAddress": HOST,
            "spark.ui.port": 14040,
            "spark.connect.grpc.binding.address": HOST,
            "spark.connect.grpc.binding.port": CONNECT,
            "spark.executorEnv.PYTHONPATH": ROOT,
            "spark.sql.shuffle.partitions": 2 * WORKERS * self.cores,
            "spark.sql.warehouse.dir": self.folder / "warehouse",
            "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            "spark.hadoop.javax.jdo.option.ConnectionURL":
                f"jdbc:derby:;databaseName={metastore};create=true",
            # Clients that were killed keep what they took of a pool: ten, and the server hangs.
            "spark.hadoop.datanucleus.connectionPoolingType": "NONE",
        }  # fmt: skip
        options = [f"--conf={name}={value}" for name, value in settings.items()]
        defaults = Path(__file__).with_name("spark-defaults.conf")
        server = {
            "hive.server2.thrift.bind.host": HOST,
            "hive.server2.thrift.port": THRIFT,
            "hive.server2.authentication": "NOSASL",
            "hive.exec.local.scratchdir": self.folder / "tmp" / "hive",
            "hive.server2.logging.operation.log.location": self.folder / "tmp" / "operations",
        }
        hive = [
            part for name, value in server.items() for part in ("--hiveconf", f"{name}={value}")
        ]
        # The heap of a thrift server is that of a daemon, whatever --driver-memory says.
        self._spawn(
            "driver",
            [
                "bin/spark-submit", "--master", f"spark://{HOST}:{MASTER}",
                "--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2",
                "--executor-memory", self.memory, "--executor-cores", self.cores,
                "--properties-file", defaults, *options, "spark-internal", *hive,
            ],
            SPARK_DAEMON_MEMORY=self.driver_memory,
        )  # fmt: skip
        self._wait("driver", THRIFT)
        self._wait("driver", CONNECT)

    def kill(self, name: str) -> None:
        """End a process as a machine that burns does, and what it started with it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid(name), signal.SIGKILL)
        (self.folder / f"{name}.pid").unlink()

    def stop(self) -> None:
        for path in sorted(self.folder.glob("*.pid")):  # the driver first
            pid = int(path.read_text())
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
                for _ in range(100):
                    os.killpg(pid, 0)
                    time.sleep(0.1)
                os.killpg(pid, signal.SIGKILL)
            path.unlink()

    def status(self) -> str:
        with urllib.request.urlopen(f"http://{HOST}:{MASTER_UI}/json/", timeout=5) as answer:
            told = json.load(answer)
        workers = [f"{one['host']} {one['state']}" for one in told["workers"]]
        return f"master {told['status']} · {' · '.join(workers)} · thrift {HOST}:{THRIFT}"

    def _class(self, name: str, daemon: str, *arguments: object, address: str = HOST) -> None:
        command = ["bin/spark-class", f"org.apache.spark.deploy.{daemon.lower()}.{daemon}"]
        self._spawn(name, [*command, *arguments], SPARK_LOCAL_IP=address)

    def _spawn(self, name: str, command: list[object], **environment: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 – our own words
                [str(HOME / str(command[0])), *map(str, command[1:])],
                env={
                    **os.environ,
                    "SPARK_HOME": str(HOME),
                    "SPARK_LOCAL_IP": HOST,
                    "SPARK_DAEMON_MEMORY": "256m",
                    "SPARK_LOCAL_DIRS": str(self.folder / "tmp"),
                    "PYSPARK_PYTHON": sys.executable,
                    **environment,
                },
                cwd=self.folder,  # where Derby, of the metastore, writes its log
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / f"{name}.pid").write_text(str(process.pid))

    def _pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def _wait(self, name: str, port: int) -> None:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
                return
            try:
                os.kill(self._pid(name), 0)
                is_alive = os.waitpid(self._pid(name), os.WNOHANG) == (0, 0)
            except ProcessLookupError:
                is_alive = False
            except ChildProcessError:
                is_alive = True
            if not is_alive:
                break
            time.sleep(0.2)
        said = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-15:]
        raise ClusterError("\n".join([f"{name} n’écoute pas le port {port}", *said]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy.spark.cluster", description=__doc__)
    parser.add_argument("verb", choices=["start", "stop", "status"])
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "cluster")
    cluster = Cluster(parser.parse_args().folder.resolve())
    match parser.parse_args().verb:
        case "start":
            cluster.start()
            print(cluster.status())
        case "stop":
            cluster.stop()
        case "status":
            print(cluster.status())


if __name__ == "__main__":
    main()
