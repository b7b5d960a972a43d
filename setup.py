"""Build the compiled core, once per x86-64 level (once elsewhere). All else is in pyproject.toml.

Environment variables: NNCORE_DEBUG=1 (bounds checks and assertions; slow), NNCORE_NO_OPENMP=1 (one thread),
NNCORE_BUILD_ISA="v3 v4" (only these levels).
"""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

HERE = Path(__file__).parent
DEBUG = os.environ.get("NNCORE_DEBUG", "") not in ("", "0")
LEVELS = os.environ.get("NNCORE_BUILD_ISA", "v2 v3 v4").split()
if platform.machine().lower() not in ("x86_64", "amd64"):
    LEVELS = ["plain"]

# Fused multiply-adds are written out: the compiler may neither contract nor reorder, or bits would depend on
# it.
FLAGS = ["-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra",
         "-Wno-unused-parameter", "-Wno-unused-function", "-Wno-psabi", "-Wno-sign-compare",
         "-Wno-cpp", "-Wno-missing-field-initializers"]
OPTIMIZE = ["-O1", "-g", "-UNDEBUG", "-DNNCORE_DEBUG"] if DEBUG else ["-O3", "-g0"]
LINK = [] if DEBUG else ["-Wl,-s"]
DIRECTIVES = {"language_level": 3, "boundscheck": DEBUG, "wraparound": False, "cdivision": True,
              "initializedcheck": DEBUG, "embedsignature": False}


def openmp():
    """The flag that compiles and links OpenMP; none where there is none (then one thread, said aloud)."""
    if os.environ.get("NNCORE_NO_OPENMP", "") in ("", "0"):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
            compiler = os.environ.get("CC", "cc").split()
            probe = [*compiler, "-fopenmp", str(source), "-o", str(Path(folder, "probe"))]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return ["-fopenmp"]
    print("nncore: no OpenMP: the core is built for one thread", file=sys.stderr)
    return []


def extension(level, flags):
    """One level's module: a two-line source (a .pyx may not serve two extensions) that includes the core."""
    source = Path("build", "core", f"_{level}.pyx")
    source.parent.mkdir(parents=True, exist_ok=True)
    text = f'# The core for {level}; made by setup.py.\ninclude "core.pxi"\n'
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    march = [] if level == "plain" else [f"-march=x86-64-{level}"]
    march += ["-mprefer-vector-width=512"] if level == "v4" else []
    headers = sorted(str(path) for folder in ("src", "nncore/_core") for path in Path(folder).glob("*.[hp]*"))
    return Extension(
        f"nncore._core._{level}",
        [str(source)],
        include_dirs=["src", numpy.get_include()],
        depends=headers,
        define_macros=[
            ("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"),
            ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION"),
            # A loop becomes vectors only where what it calls is in it: gcc stops at some size of the file.
            ("CYTHON_INLINE", "__inline__ __attribute__((always_inline))"),
        ],
        extra_compile_args=FLAGS + OPTIMIZE + march + flags,
        extra_link_args=LINK + flags,
    )


if __name__ == "__main__":
    os.chdir(HERE)
    flags = openmp()
    cpu = Extension(
        "nncore._core._cpu",
        ["nncore/_core/_cpu.pyx"],
        include_dirs=["src"],
        depends=["src/cpu.h"],
        extra_compile_args=FLAGS + OPTIMIZE,
        extra_link_args=LINK,
    )
    setup(
        ext_modules=cythonize(
            [cpu, *(extension(level, flags) for level in LEVELS)],
            compiler_directives=DIRECTIVES,
            include_path=["nncore/_core"],
            build_dir="build/cython",
        )
    )
