"""A server that speaks the API of Google Cloud Storage, with faults on demand.

  python -m tests.gcs.emulator

The server prints its port, and ends when its standard input is closed. It is
`gcp-storage-emulator` with the features that this lacks: preconditions,
permissions, several requests at once, and binary contents in small uploads,
which it would parse as mail.

`POST /faults` takes a list of faults, such as

  [{"kind": 503, "match": "upload", "times": 2}]

The next `times` requests fail whose method and URL match the regular expression
`match`. The fault is of one of these kinds:

  a number       The answer has this status.
  "drop"         The server reads half of the request and closes the connection.
  "lose answer"  The server serves the request but closes the connection.
  "hang"         The server never answers.

`GET /faults` returns the faults that are left.
"""

import functools
import io
import json
import logging
import re
import socket
import sys
import threading
import urllib.parse
from http import server

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.storage import Storage

BUCKET = 'linac-test'
# Every request for this bucket is forbidden.
FORBIDDEN = 'forbidden-bucket'

_REASONS = {403: 'forbidden', 412: 'conditionNotMet', 429: 'rateLimitExceeded'}


class _Handler(emulator.RequestHandler):
  protocol_version = 'HTTP/1.1'
  faults: list = []  # noqa: RUF012
  # The emulator's storage is not made for threads.
  lock = threading.RLock()

  def __getattribute__(self, name: str):
    if name.startswith('do_'):
      return functools.partial(self._serve, name)
    return super().__getattribute__(name)

  def _serve(self, method: str) -> None:
    if self.path == '/faults':
      self._serve_faults(method)
    elif f'/b/{FORBIDDEN}' in self.path:
      allowed = self.path.partition('?')[0].endswith('/testPermissions')
      self._answer(200, {}) if allowed else self._fail(403)
    elif fault := self._fault(f'{method[3:]} {self.path}'):
      if fault == 'lose answer':
        self.wfile = io.BytesIO()
        getattr(super(), method)()
        self._hang_up()
      elif fault == 'hang':
        threading.Event().wait()
      elif fault == 'drop':
        self._body(2)
        self._hang_up()
      else:
        self._fail(fault)
    elif not self._is_allowed():
      self._fail(412)
    elif method == 'do_DELETE' and 'upload_id=' in self.path:
      self._answer(499, {})
    elif self.path.endswith('/storageLayout'):
      self._answer(200, {'locationType': 'region'})
    else:
      with self.lock:
        self._forget_known_bytes()
        getattr(super(), method)()

  def _forget_known_bytes(self) -> None:
    """Skips the bytes of a chunk that an earlier request has stored already."""
    upload = re.search('upload_id=([^&]+)', self.path)
    sent = re.match(r'bytes (\d+)-', self.headers.get('Content-Range', ''))
    if not (upload and sent):
      return
    start = int(sent[1])
    upload_id = urllib.parse.unquote_plus(upload[1])
    known = self.storage.get_resumable_byte_count(upload_id) - start
    if known > 0:
      body, rest = self._body()[known:], self.headers['Content-Range'][6:]
      del self.headers['Content-Range'], self.headers['Content-Length']
      self.headers['Content-Length'] = str(len(body))
      self.headers['Content-Range'] = rest.replace(
        f'{start}-', f'bytes {start + known}-', 1
      )
      self.rfile = _Replayed(body, self.rfile)

  def _serve_faults(self, method: str) -> None:
    if method == 'do_POST':
      self.faults[:] = json.loads(self._body())
    self._answer(200, self.faults)

  def _fault(self, request: str):
    with self.lock:
      for fault in self.faults:
        if re.search(fault['match'], request) and fault['times']:
          fault['times'] -= 1
          return fault['kind']
    return None

  def _is_allowed(self) -> bool:
    """Whether an upload's precondition holds: the object must not exist."""
    if 'ifGenerationMatch=0' not in self.path:
      return True
    body = self._body()
    # The emulator reads the body again.
    self.rfile = _Replayed(body, self.rfile)
    name = re.search(rb'"name": "([^"]*)"', body)[1].decode()
    bucket = re.search('/b/([^/]*)/', self.path)[1]
    try:
      with self.lock:
        self.storage.get_file_obj(bucket, name)
    except NotFound:
      return True
    return False

  def _body(self, part: int = 1) -> bytes:
    length = int(self.headers.get('Content-Length') or 0)
    return self.rfile.read(length // part)

  def _hang_up(self) -> None:
    self.connection.shutdown(socket.SHUT_RDWR)
    self.close_connection = True

  def _fail(self, status: int) -> None:
    # What is left of the body would be read as part of the next request.
    self._body()
    reason = _REASONS.get(status, 'backendError')
    error = {'code': status, 'message': reason, 'errors': [{'reason': reason}]}
    self._answer(status, {'error': error})

  def _answer(self, status: int, value) -> None:
    body = json.dumps(value).encode()
    self.send_response(status)
    self.send_header('Content-Type', 'application/json')
    self.send_header('Content-Length', str(len(body)))
    self.end_headers()
    self.wfile.write(body)


class _Replayed:
  """A stream that returns bytes again that were read from it."""

  def __init__(self, start: bytes, rest):
    self._start, self._rest = start, rest

  def read(self, size: int = -1) -> bytes:
    if not self._start:
      return self._rest.read(size)
    start, self._start = self._start[:size], self._start[size:]
    return start

  def __getattr__(self, name: str):
    return getattr(self._rest, name)


def _read_data(handler: _Handler, query: dict):
  """Reads a request like the emulator, but keeps binary parts unchanged."""
  content_type = handler.headers.get('Content-Type', '')
  if not content_type.startswith('multipart/related'):
    return _READ_DATA(handler, query)
  boundary = re.search('boundary="?([^";]+)', content_type)[1].encode()
  body = handler._body()
  newline = re.search(boundary + b'(\r?\n)', body)[1]
  (_, meta), (headers, content) = (
    part.removesuffix(newline).split(2 * newline, maxsplit=1)
    for part in body.split(b'--' + boundary)[1:3]
  )
  found = re.search(rb'content-type: *([^\r\n]+)', headers, re.IGNORECASE)
  return {
    'meta': json.loads(meta),
    'content': content,
    'content-type': found[1].decode(),
  }


_READ_DATA = emulator._read_data
emulator._read_data = _read_data


def main() -> None:
  logging.disable()
  storage = Storage(use_memory_fs=True)
  for bucket in (BUCKET, FORBIDDEN):
    buckets.create_bucket(bucket, storage)
  handler = functools.partial(_Handler, storage)
  httpd = server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
  # Clients may close their connections, which is no error.
  httpd.handle_error = lambda *_: None
  threading.Thread(target=httpd.serve_forever, daemon=True).start()
  print(httpd.server_port, flush=True)
  sys.stdin.read()


if __name__ == '__main__':
  main()
