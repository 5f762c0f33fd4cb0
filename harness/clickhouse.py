"""ClickHouse's HTTP interface before the real engine, for tests: chdb is ClickHouse in a library.

What lives here: requests as the store sends them, answered in ClickHouse's form: `POST /?database=..&query=..`
with settings and `param_`s, `X-ClickHouse-User` and `X-ClickHouse-Key`, errors with a status and
`X-ClickHouse-Exception-Code`. What does not: SQL; all of it is the engine's.

usage: clickhouse.py PACKAGES FOLDER PORT [ADDRESS USERS]
    ADDRESS    where it listens, 127.0.0.1 where not given
    USERS      a file of `users.d` with the one user who is let in; a user of the tests' own where not given
"""

import hashlib
import os
import re
import signal
import sys
import threading
import xml.etree.ElementTree as xml
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

packages, folder, port = sys.argv[1:4]
address, users = sys.argv[4:] or ("127.0.0.1", None)
sys.path.insert(0, packages)

from chdb.session import Session  # noqa: E402

# What is no setting of the engine's but of the interface.
OWN = {"database", "query", "default_format", "wait_end_of_query"}
CODE = re.compile(r"Code: (\d+)\.")
# As the server has it in HTTPHandler.cpp, for the codes that tests see.
STATUS = {516: 403, 81: 404, 60: 404, 62: 400, 47: 404, 159: 408}


def sha256(text):
    return hashlib.sha256((text or "").encode()).hexdigest()


def only_user(file):
    """Name and SHA-256 of the password, which may stand in another file (`include_from`, `incl`)."""
    root = xml.parse(file).getroot()
    [user] = [it for it in root.find("users") if "remove" not in it.attrib]
    kept = user.find("password_sha256_hex")
    included = xml.parse(root.findtext("include_from")).getroot().findtext(kept.get("incl"))
    return user.tag, included


LET_IN = only_user(users) if users else ("watershed", sha256("it's a secret"))

session = Session(folder)
session.query("CREATE DATABASE IF NOT EXISTS default")
engine = threading.Lock()


class Refused(Exception):
    pass


def run(pairs, body):
    asked = {key: value for key, value in pairs if key in OWN}
    params = {key[6:]: value for key, value in pairs if key.startswith("param_")}
    settings = {key: value for key, value in pairs if key not in OWN and not key.startswith("param_")}
    # The query is the address's, and goes on in the body.
    sql = asked.get("query", "")
    insert = re.fullmatch(r"(INSERT INTO .*) FORMAT (\w+)", sql)
    with engine:
        session.query(f"USE `{asked.get('database', 'default')}`")
        try:
            for key, value in settings.items():
                session.query(f"SET {key} = '{value}'")
            if insert:
                rows = session.send_insert(insert[1], insert[2])
                try:
                    rows.append(body)
                    rows.finish()
                except BaseException:
                    rows.cancel()
                    raise
                return b""
            sql += body.decode()
            form = asked.get("default_format", "TabSeparated")
            return session.query(sql, form, params=params or None).bytes()
        finally:
            for key in settings:
                session.query(f"SET {key} = DEFAULT")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is two writes, the second of which would wait for the first to be acknowledged.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            user = self.headers["X-ClickHouse-User"]
            if (user, sha256(self.headers["X-ClickHouse-Key"])) != LET_IN:
                raise Refused(f"Code: 516. DB::Exception: {user}: Authentication failed")
            self.answer(200, run(parse_qsl(urlsplit(self.path).query, keep_blank_values=True), body))
        except Exception as fault:
            text = str(fault)
            code = CODE.search(text)
            code = int(code[1]) if code else 1002
            self.answer(STATUS.get(code, 500), text.encode(), code)

    def do_GET(self):
        self.answer(200, b"Ok.\n")

    def answer(self, status, body, code=None):
        self.send_response(status)
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


# As the first process of a container it would not hear this by itself. What was answered is on disk.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server((address, int(port)), Handler).serve_forever()
