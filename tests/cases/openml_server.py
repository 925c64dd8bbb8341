"""A server on this machine that speaks as much of OpenML's interface as its package asks for."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE = 'xmlns:oml="http://openml.org/openml"'


@dataclass
class Served:
    """A data set that the server has."""

    name: str
    arff: str
    target: str = "class"
    ignore: tuple[str, ...] = ()
    row_id: str = ""
    tags: tuple[str, ...] = ()
    status: str = "active"
    md5: str | None = None


@dataclass
class OpenMLServer:
    """Answers for data sets, tasks and suites; `asked` lists every path that was asked for."""

    data: dict[int, Served]
    tasks: dict[int, tuple[int, str]] = field(default_factory=dict)
    suites: dict[int, list[int]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> OpenMLServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, content = outer.answer(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What `openml.config.server` is set to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/api/v1/xml"

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and content of a path."""
        parts = path.strip("/").split("/")
        match parts:
            case ["api", "v1", "xml", "data", number] if int(number) in self.data:
                return 200, self._description(int(number)).encode()
            case ["files", number, "dataset.arff"] if int(number) in self.data:
                return 200, self.data[int(number)].arff.encode()
            case ["api", "v1", "xml", "task", number] if int(number) in self.tasks:
                return 200, self._task(int(number)).encode()
            case ["api", "v1", "xml", "study", number] if int(number) in self.suites:
                return 200, self._suite(int(number)).encode()
        said = "<oml:code>111</oml:code><oml:message>Unknown dataset</oml:message>"
        return 412, f"{_XML}<oml:error {_SPACE}>{said}</oml:error>".encode()

    def _description(self, number: int) -> str:
        one = self.data[number]
        md5 = one.md5 or hashlib.md5(one.arff.encode()).hexdigest()
        host = self.url.removesuffix("/api/v1/xml")
        rows = [
            f"<oml:id>{number}</oml:id><oml:name>{one.name}</oml:name><oml:version>2</oml:version>",
            "<oml:description>made up</oml:description><oml:format>ARFF</oml:format>",
            "<oml:upload_date>2014-04-06T23:19:24</oml:upload_date><oml:licence>CC BY 4.0</oml:licence>",
            f"<oml:url>{host}/files/{number}/dataset.arff</oml:url><oml:file_id>{number}</oml:file_id>",
            f"<oml:parquet_url>{host}/nowhere/{number}.pq</oml:parquet_url>",
            f"<oml:default_target_attribute>{one.target}</oml:default_target_attribute>"
            if one.target
            else "",
            f"<oml:row_id_attribute>{one.row_id}</oml:row_id_attribute>" if one.row_id else "",
            *(f"<oml:ignore_attribute>{name}</oml:ignore_attribute>" for name in one.ignore),
            *(f"<oml:tag>{tag}</oml:tag>" for tag in one.tags),
            f"<oml:visibility>public</oml:visibility><oml:status>{one.status}</oml:status>",
            f"<oml:md5_checksum>{md5}</oml:md5_checksum>",
        ]
        return f"{_XML}<oml:data_set_description {_SPACE}>{''.join(rows)}</oml:data_set_description>"

    def _task(self, number: int) -> str:
        data, target = self.tasks[number]
        return (
            f"{_XML}<oml:task {_SPACE}><oml:task_id>{number}</oml:task_id><oml:task_type_id>1</oml:task_type_id>"
            "<oml:task_type>Supervised Classification</oml:task_type>"
            f'<oml:input name="source_data"><oml:data_set><oml:data_set_id>{data}</oml:data_set_id>'
            f"<oml:target_feature>{target}</oml:target_feature></oml:data_set></oml:input>"
            '<oml:input name="estimation_procedure"><oml:estimation_procedure><oml:id>1</oml:id>'
            "<oml:type>crossvalidation</oml:type><oml:data_splits_url>http://127.0.0.1/none</oml:data_splits_url>"
            '<oml:parameter name="number_repeats">1</oml:parameter>'
            '<oml:parameter name="number_folds">10</oml:parameter></oml:estimation_procedure></oml:input>'
            '<oml:input name="evaluation_measures"><oml:evaluation_measures>'
            "<oml:evaluation_measure>predictive_accuracy</oml:evaluation_measure>"
            "</oml:evaluation_measures></oml:input></oml:task>"
        )

    def _suite(self, number: int) -> str:
        tasks = self.suites[number]
        data = sorted({self.tasks[task][0] for task in tasks})
        inside = "".join(f"<oml:data_id>{one}</oml:data_id>" for one in data)
        asked = "".join(f"<oml:task_id>{one}</oml:task_id>" for one in tasks)
        return (
            f"{_XML}<oml:study {_SPACE}><oml:id>{number}</oml:id><oml:alias>made-up</oml:alias>"
            "<oml:main_entity_type>task</oml:main_entity_type><oml:name>A suite</oml:name>"
            "<oml:description>made up</oml:description><oml:status>active</oml:status>"
            "<oml:creation_date>2019-01-01 00:00:00</oml:creation_date><oml:creator>1</oml:creator>"
            f"<oml:data>{inside}</oml:data><oml:tasks>{asked}</oml:tasks></oml:study>"
        )
