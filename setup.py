"""Builds the neighbour kernel where there is a compiler; all else stands in pyproject.toml.

Every instruction set has a file of its own, which names it by a pragma; the module chooses among
them at run time. So no flag here names a processor, and one build serves all of its kind.
"""

from pathlib import Path

from setuptools import Extension, setup

FOLDER = Path("src/layergeom/geometry/kernel")
KERNEL = Extension(
    "layergeom.geometry._kernel",
    sources=sorted(map(str, FOLDER.glob("*.cpp"))),
    depends=sorted(map(str, FOLDER.glob("*.hpp"))),
    language="c++",
    extra_compile_args=["-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno"],
    define_macros=[("Py_LIMITED_API", "0x030b0000")],
    py_limited_api=True,
    optional=True,  # without a compiler the installation succeeds and the plain path is used
)

setup(
    ext_modules=[KERNEL],
    exclude_package_data={"": ["*.cpp", "*.hpp"]},  # in the source distribution only
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
