"""Makes `fit.ptx`, the kernel for GPUs, from its sources.

  pip install --no-deps --target nvrtc nvidia-cuda-nvrtc-cu12==12.0.140
  python -m transforms.canonical.cuda.program nvrtc

NVRTC is NVIDIA's compiler of kernels. Its version 12.0 writes PTX that drivers
from 525 on translate for their GPU; the PTX of newer versions needs newer
drivers. Neither a GPU nor a driver is needed here.
"""

import ctypes
import hashlib
import pathlib
import sys
from collections.abc import Sequence

FOLDER = pathlib.Path(__file__).parent / 'kernel'
PROGRAM = pathlib.Path(__file__).with_name('fit.ptx')

# The bits depend on these options: no product is joined with a sum, subnormal
# numbers are kept, and quotients and roots are rounded exactly.
OPTIONS = (
  *('--std=c++17', '--fmad=false', '--ftz=false'),
  *('--prec-div=true', '--prec-sqrt=true'),
)
# Turing, the oldest GPUs that the kernel runs on.
ARCHITECTURE = 'compute_75'


def source_hash() -> str:
  """Returns the SHA-256 of the kernel's sources and options, in hexadecimal."""
  digest = hashlib.sha256(repr((OPTIONS, ARCHITECTURE)).encode())
  for path in sorted([*FOLDER.glob('*.h'), *FOLDER.glob('*.cu')]):
    contents = path.read_bytes()
    digest.update(f'{path.name} {len(contents)}\n'.encode() + contents)
  return digest.hexdigest()


def first_line() -> bytes:
  """Returns the line of the program that names its sources."""
  return f'// SHA-256 of the sources: {source_hash()}\n'.encode()


def compile_kernel(
  nvrtc: pathlib.Path, architecture: str, *options: str
) -> tuple[bytes, str]:
  """Compiles the kernel.

  Args:
    nvrtc: The folder that NVRTC's wheel was installed to.
    architecture: The target of the compiler: PTX for `compute_75`, or the
      machine code of a GPU such as `sm_90`.
    *options: More options of NVRTC.

  Returns:
    The program and the compiler's log.

  Raises:
    RuntimeError: NVRTC refuses the sources; the message is its log.
  """
  library = ctypes.CDLL(str(next(nvrtc.rglob('libnvrtc.so*'))))
  program = ctypes.c_void_p()
  source = (FOLDER / 'fit.cu').read_bytes()
  library.nvrtcCreateProgram(
    ctypes.byref(program), source, b'fit.cu', 0, None, None
  )
  arguments = [
    *(f'--gpu-architecture={architecture}', f'--include-path={FOLDER}'),
    *(*OPTIONS, *options),
  ]
  array = (ctypes.c_char_p * len(arguments))(*(a.encode() for a in arguments))
  failed = library.nvrtcCompileProgram(program, len(arguments), array)
  log = _text(library, program, 'ProgramLog').rstrip(b'\0').decode()
  if failed:
    raise RuntimeError(log)
  kind = 'PTX' if architecture.startswith('compute') else 'CUBIN'
  return _text(library, program, kind), log


def _text(library: ctypes.CDLL, program: ctypes.c_void_p, kind: str) -> bytes:
  size = ctypes.c_size_t()
  getattr(library, f'nvrtcGet{kind}Size')(program, ctypes.byref(size))
  text = ctypes.create_string_buffer(size.value)
  getattr(library, f'nvrtcGet{kind}')(program, text)
  return text.raw


def main(arguments: Sequence[str]) -> None:
  if len(arguments) != 1:
    raise SystemExit(__doc__)
  ptx, _ = compile_kernel(pathlib.Path(arguments[0]), ARCHITECTURE)
  PROGRAM.write_bytes(first_line() + ptx.rstrip(b'\0'))


if __name__ == '__main__':
  main(sys.argv[1:])
