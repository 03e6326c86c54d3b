"""A server that replaces Dataflow in tests: it takes jobs and runs them.

  python -m tests.deploy.dataflow_service

The server prints its port, and ends when its standard input is closed. It
implements those parts of Dataflow's REST API that Beam's client uses. Each job
runs in a separate process, see `tests.deploy.job`.

`GET /requests` returns the requests for jobs in the order in which they came.
"""

import datetime
import itertools
import json
import pathlib
import subprocess
import sys
import threading
from http import server


class _Job:
  def __init__(self, number: int, request: dict):
    self._request = request
    self._state = {'id': f'job-{number}', 'currentState': 'JOB_STATE_RUNNING'}
    self.messages = {'jobMessages': []}

  def run(self) -> None:
    """Runs the job to its end."""
    options = self._request['environment']['sdkPipelineOptions']['options']
    command = [sys.executable, '-m', 'tests.deploy.job', options['pipelineUrl']]
    done = subprocess.run(
      command,
      capture_output=True,
      text=True,
      cwd=pathlib.Path(__file__).parents[2],
    )
    if done.returncode:
      self._fail(done.stderr)
    else:
      self._state['currentState'] = 'JOB_STATE_DONE'

  def describe(self) -> dict:
    return self._request | self._state

  def _fail(self, text: str) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat()
    self.messages['jobMessages'].append(
      {
        'id': 'message-1',
        'time': now,
        'messageText': text,
        'messageImportance': 'JOB_MESSAGE_ERROR',
      }
    )
    self._state['currentState'] = 'JOB_STATE_FAILED'


class _Handler(server.BaseHTTPRequestHandler):
  protocol_version = 'HTTP/1.1'
  requests: list = []  # noqa: RUF012
  jobs: dict = {}  # noqa: RUF012
  numbers = itertools.count(1)

  def do_POST(self):
    body = self.rfile.read(int(self.headers['Content-Length']))
    self.requests.append(body.decode())
    job = _Job(next(self.numbers), json.loads(body))
    self.jobs[job.describe()['id']] = job
    self._answer(job.describe())
    threading.Thread(target=job.run, daemon=True).start()

  def do_GET(self):
    # /v1b3/projects/PROJECT/locations/REGION/jobs/JOB[/messages|/metrics]
    path, _, what = self.path.partition('?')[0].partition('/jobs/')
    if path == '/requests':
      self._answer(self.requests)
      return
    name, _, what = what.partition('/')
    job = self.jobs[name]
    answers = {
      '': job.describe(),
      'messages': job.messages,
      'metrics': {'metrics': []},
    }
    self._answer(answers[what])

  def _answer(self, value) -> None:
    body = json.dumps(value).encode()
    self.send_response(200)
    self.send_header('Content-Type', 'application/json')
    self.send_header('Content-Length', str(len(body)))
    self.end_headers()
    self.wfile.write(body)

  def log_message(self, *arguments):
    pass


def main() -> None:
  httpd = server.ThreadingHTTPServer(('127.0.0.1', 0), _Handler)
  threading.Thread(target=httpd.serve_forever, daemon=True).start()
  print(httpd.server_port, flush=True)
  sys.stdin.read()


if __name__ == '__main__':
  main()
