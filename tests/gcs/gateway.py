"""A proxy that connects TensorFlow's own client to the emulator.

That client knows only the endpoint https://storage.googleapis.com, but it uses
the proxy of `https_proxy`. This proxy pretends to be the endpoint, with a
certificate of a CA that is made for the test.
"""

import contextlib
import datetime
import http.client
import pathlib
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from http import server

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@contextlib.contextmanager
def gateway(emulator: str, folder: pathlib.Path) -> Iterator[dict[str, str]]:
  """Runs the proxy while the block runs.

  Args:
    emulator: The URL of the emulator.
    folder: The folder in which to write the certificate.

  Yields:
    The environment variables that make a client use the proxy.
  """
  certificate = folder / 'certificate.pem'
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
  context.load_cert_chain(certificate, _write_certificate(certificate))
  handler = type(
    'Handler',
    (_Handler,),
    {'context': context, 'emulator': urllib.parse.urlsplit(emulator).netloc},
  )
  with server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as proxy:
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever).start()
    url = f'http://127.0.0.1:{proxy.server_port}'
    yield {
      'https_proxy': url,
      'http_proxy': url,
      'CURL_CA_BUNDLE': str(certificate),
    }
    proxy.shutdown()


class _Handler(server.BaseHTTPRequestHandler):
  protocol_version = 'HTTP/1.1'
  context: ssl.SSLContext
  emulator: str

  def do_CONNECT(self):
    self.send_response(200)
    self.end_headers()
    self.connection = self.context.wrap_socket(
      self.connection, server_side=True
    )
    self.rfile = self.connection.makefile('rb')
    self.wfile = self.connection.makefile('wb', buffering=0)
    self.close_connection = False

  def finish(self):
    super().finish()
    self.connection.close()

  def _forward(self):
    body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
    there = http.client.HTTPConnection(self.emulator)
    headers = {k: v for k, v in self.headers.items() if k.lower() != 'host'}
    there.request(self.command, self.path, body, headers)
    answer = there.getresponse()
    content = answer.read()
    there.close()
    self.send_response(answer.status)
    for name, value in answer.getheaders():
      if name.lower() not in ('content-length', 'date', 'server'):
        self.send_header(name, value)
    self.send_header('Content-Length', str(len(content)))
    self.end_headers()
    self.wfile.write(content)

  do_GET = do_POST = do_PUT = do_DELETE = _forward

  def log_message(self, *_):
    pass


def _write_certificate(path: pathlib.Path) -> pathlib.Path:
  """Writes a certificate that is its own CA; returns the path of its key."""
  key = ec.generate_private_key(ec.SECP256R1())
  name = x509.Name(
    [x509.NameAttribute(x509.NameOID.COMMON_NAME, 'storage.googleapis.com')]
  )
  names = ['storage.googleapis.com', 'www.googleapis.com']
  now = datetime.datetime.now(datetime.UTC)
  certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now - datetime.timedelta(hours=1))
    .not_valid_after(now + datetime.timedelta(hours=1))
    .add_extension(
      x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False
    )
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    .sign(key, hashes.SHA256())
  )
  path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
  key_path = path.with_name('key.pem')
  key_path.write_bytes(
    key.private_bytes(
      serialization.Encoding.PEM,
      serialization.PrivateFormat.PKCS8,
      serialization.NoEncryption(),
    )
  )
  return key_path
