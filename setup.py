"""Builds the neighbour kernel where there is a compiler; all else stands in pyproject.toml."""

from setuptools import Extension, setup

KERNEL = Extension(
    "layergeom.geometry._kernel",
    sources=["src/layergeom/geometry/_kernel.cpp"],
    language="c++",
    extra_compile_args=["-std=c++17", "-O3", "-ffp-contract=off"],
    define_macros=[("Py_LIMITED_API", "0x030b0000")],
    py_limited_api=True,
    optional=True,  # without a compiler the installation succeeds and the plain path is used
)

setup(ext_modules=[KERNEL], options={"bdist_wheel": {"py_limited_api": "cp311"}})
