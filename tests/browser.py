"""A headless browser that tests control by its DevTools protocol."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

_NAMES = (
  os.environ.get('CHROME_PATH', ''),
  'chromium-headless-shell',
  'chrome-headless-shell',
  'chromium',
  'chromium-browser',
  'google-chrome',
)


class Page:
  """A tab of the browser.

  Attributes:
    events: The events of the tab so far, as `(name, parameters)`.
  """

  def __init__(self, socket):
    self._socket = socket
    self._ids = itertools.count()
    self._session = {}
    self.events = []
    target = self.call('Target.createTarget', url='about:blank')['targetId']
    session = self.call('Target.attachToTarget', targetId=target, flatten=True)
    self._session = {'sessionId': session['sessionId']}
    for domain in ('Page', 'Runtime', 'Log', 'Network'):
      self.call(f'{domain}.enable')

  def call(self, method: str, **params) -> dict:
    number = next(self._ids)
    message = {'id': number, 'method': method, 'params': params}
    self._socket.send(json.dumps(message | self._session))
    while (answer := self._receive()).get('id') != number:
      pass
    assert 'error' not in answer, answer
    return answer['result']

  def open(self, path: pathlib.Path, width: int, scheme: str) -> None:
    """Loads a file in a window of the given width and colour scheme."""
    self.call(
      'Emulation.setDeviceMetricsOverride',
      width=width,
      height=844,
      deviceScaleFactor=1,
      mobile=width < 600,
    )
    feature = {'name': 'prefers-color-scheme', 'value': scheme}
    self.call('Emulation.setEmulatedMedia', features=[feature])
    self.call('Page.navigate', url=path.as_uri())
    while not self.named('Page.loadEventFired'):
      self._receive()

  def evaluate(self, expression: str):
    """Returns the value of a JavaScript expression."""
    answer = self.call(
      'Runtime.evaluate', expression=expression, returnByValue=True
    )
    return answer['result']['value']

  def named(self, name: str) -> list[dict]:
    """Returns the parameters of all events of a name."""
    return [params for event, params in self.events if event == name]

  def _receive(self) -> dict:
    message = json.loads(self._socket.recv(timeout=60))
    if 'method' in message:
      self.events.append((message['method'], message['params']))
    return message


@contextlib.contextmanager
def browser(profile: pathlib.Path) -> Iterator[Page]:
  """Starts a browser; without one, skips the test, or fails in CI."""
  program = next(filter(None, map(shutil.which, filter(None, _NAMES))), None)
  if program is None:
    assert not os.environ.get('CI'), 'CI needs a browser: see .ci/run'
    pytest.skip('no Chromium at hand; CHROME_PATH may name one')
  command = [program, '--headless', '--remote-debugging-port=0']
  command += [f'--user-data-dir={profile}', '--disable-gpu']
  if os.geteuid() == 0:
    command.append('--no-sandbox')  # The sandbox does not work for root.
  with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
    try:
      lines = (re.search(r'ws://\S+', line) for line in process.stderr)
      address = next(filter(None, lines))[0]
      with connect(address, max_size=None) as socket:
        yield Page(socket)
    finally:
      process.kill()
