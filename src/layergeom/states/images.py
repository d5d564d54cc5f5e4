"""Images: files, arrays or pictures of a dataset, each opened only when it is asked for."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from layergeom.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from PIL import Image

IMAGE_FILES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".gif")
# The formats that are decoded, whatever a file is called: Pillow's others include PostScript, which
# it hands to another program.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM", "GIF", "TIFF")
MAX_PIXELS = 1 << 26  # of one image, 8,192 x 8,192: 200 MB once it is RGB
CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
ORIENTATION = 0x0112  # EXIF
# What is counted of an image, by Pillow's mode: everything but plain RGB.
_MODES = {
    "RGB": (),
    "1": ("grey",),
    "L": ("grey",),
    "LA": ("grey", "with_alpha"),
    "I": ("16_bit",),
    "RGBA": ("with_alpha",),
    "P": ("palette",),
    "PA": ("palette", "with_alpha"),
    "CMYK": ("cmyk",),
}


class Seen(NamedTuple):
    """Hash of an image's content, and what is unusual about it (``grey``, ``turned``, …)."""

    digest: str
    traits: tuple[str, ...]


class Images(Sequence[Any]):
    """Images that are opened one at a time, as RGB and upright.

    Parameters
    ----------
    stored : sequence
        Paths, bytes, uint8 arrays (H, W) or (H, W, C), Pillow images, or the mappings with
        ``bytes`` or ``path`` by which `datasets` stores them.
    source : str
        What messages call it.
    rows : sequence of int, optional
        The rows of ``stored`` that are meant; by default all.

    Notes
    -----
    Nothing is kept: each access reads and decodes again. First frame of an animation; the upper 8
    of 16 bits; transparency is dropped, the colours below it show; an EXIF orientation is applied.

    When it misleads: colour profiles (ICC) are not applied.

    Examples
    --------
    >>> import numpy as np
    >>> images = Images(np.zeros((3, 2, 4), dtype=np.uint8), "data")
    >>> len(images), images[0].mode, images[0].size
    (3, 'RGB', (4, 2))
    >>> images.counts
    {'images_grey': 3}
    """

    def __init__(
        self, stored: Sequence[Any], source: str, rows: Sequence[int] | None = None
    ) -> None:
        self.stored, self.source = stored, source
        self.rows: Sequence[int] = range(len(stored)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, row: int) -> Image.Image: ...
    @overload
    def __getitem__(self, row: slice) -> Images: ...
    def __getitem__(self, row: int | slice) -> Image.Image | Images:
        if isinstance(row, slice):
            return self.take(range(len(self))[row])
        with self.named(row) as item, _opened(item) as image:
            return _rgb(image)

    def take(self, rows: Iterable[int]) -> Images:
        """Return the images of these rows."""
        return Images(self.stored, self.source, [self.rows[row] for row in rows])

    def place(self, row: int) -> str:
        """Name an image for a message: its file, else its row."""
        item = self.stored[self.rows[row]]
        return str(item) if isinstance(item, Path) else f"{self.source}, row {self.rows[row]}"

    @cached_property
    def seen(self) -> tuple[Seen, ...]:
        """What each image is; reads every file once, but decodes few (about 1 GB/s).

        Raises
        ------
        InputError
            For a file that is no image, or whose end is missing.
        """
        return tuple(self._seen(row) for row in range(len(self)))

    @property
    def digests(self) -> tuple[str, ...]:
        """Hash of each image's file, or of its pixels where it has none."""
        return tuple(seen.digest for seen in self.seen)

    @property
    def counts(self) -> dict[str, int]:
        """How many images are changed on reading, by ``images_`` and the reason."""
        traits = Counter(trait for seen in self.seen for trait in seen.traits)
        return {f"images_{trait}": number for trait, number in sorted(traits.items())}

    def _seen(self, row: int) -> Seen:
        with self.named(row) as item:
            data = _bytes(item)
            if data is None:
                with _opened(item) as image:
                    return Seen(_pixel_digest(_rgb(image)), _traits(image))
            with _opened(data) as image:
                if not _is_whole(image.format or "", data):
                    image.load()
                return Seen(_digest(data), _traits(image))

    @contextmanager
    def named(self, row: int) -> Iterator[Any]:
        """Give the stored item; whatever goes wrong with it is said with its name."""
        from PIL import UnidentifiedImageError

        number = self.rows[row]  # beyond the end this is an IndexError, as of any sequence
        try:
            yield self.stored[number]
        except (InputError, InputTypeError) as error:
            raise type(error)(f"{self.place(row)}: {error}") from error
        except UnidentifiedImageError:
            raise InputError(f"{self.place(row)} is no image; replace or remove it.") from None
        except Exception as error:  # damaged files raise anything
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{self.place(row)} cannot be read as an image ({reason}); replace or remove it."
            ) from error


class ImageFiles(Sequence[Any]):
    """The images below a folder in the order of their names, kept as names only.

    Parameters
    ----------
    folder : Path
        Where they lie, in sub-folders too; names that begin with a dot are passed over.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = sorted(_files(folder))
        self.names = [name for name in names if name.lower().endswith(IMAGE_FILES)]
        self.others = [name for name in names if not name.lower().endswith(IMAGE_FILES)]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: Any) -> Any:
        return self.folder / self.names[row]

    @property
    def classes(self) -> list[str | None]:
        """The first sub-folder of each image; None for one that lies in the folder itself."""
        return [name.split("/")[0] if "/" in name else None for name in self.names]


class Pictures(Sequence[Any]):
    """A column of images of a `datasets` object, which decodes a row when it is read."""

    def __init__(self, data: Any, name: str) -> None:
        self.data = data.select_columns([name]) if hasattr(data, "select_columns") else data
        self.name = name

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: Any) -> Any:
        return self.data[int(row)][self.name]


def as_images(values: Any, source: str) -> Images | None:
    """Return a column as images if it holds some, else None.

    Parameters
    ----------
    values : sequence
        A uint8 array or tensor (n, H, W) or (n, H, W, C) with 1, 3 or 4 channels, or a sequence of
        what `Images` takes (of arrays and Pillow images, judged by the first that is there).
    source : str
        What messages call it.

    Raises
    ------
    InputTypeError
        For an array whose channels do not come last.
    """
    if str(getattr(values, "dtype", "")) == "torch.uint8":
        values = values.cpu().numpy()
    if isinstance(values, np.ndarray) and values.dtype == np.uint8 and values.ndim in (3, 4):
        return Images(_channels_last(values, source), source)
    first = next((value for value in values if value is not None), None)
    return Images(values, source) if _is_picture(first) else None


def image_notes(images: Images) -> Iterator[str]:
    """Say in a line each what was converted, turned and taken as a first frame."""
    counts = {name.removeprefix("images_"): n for name, n in images.counts.items()}
    of = f"of {len(images):,} images"
    turned, animated = counts.pop("turned", 0), counts.pop("animated", 0)
    if counts:
        changed = sum(bool(set(seen.traits) & set(counts)) for seen in images.seen)
        kinds = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items())
        yield f"{changed:,} {of} {_were(changed)} converted to RGB ({kinds})."
    if turned:
        yield f"{turned:,} {of} {_were(turned)} turned as the EXIF orientation says."
    if animated:
        yield f"{animated:,} {of} {'is' if animated == 1 else 'are'} animated: the first frame."


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _files(folder: Path) -> Iterator[str]:
    """Names below a folder with forward slashes; links are followed, but not in circles."""
    for root, folders, files in os.walk(folder, followlinks=True):
        here = Path(root)
        folders[:] = [f for f in folders if f[0] != "." and not _leads_back(here, here / f)]
        yield from ((here / f).relative_to(folder).as_posix() for f in files if f[0] != ".")


def _leads_back(here: Path, folder: Path) -> bool:
    return folder.is_symlink() and here.resolve().is_relative_to(folder.resolve())


def _channels_last(values: Any, source: str) -> Any:
    if values.ndim == 3 or values.shape[3] in CHANNELS:
        return values
    raise InputTypeError(
        f"{source}: images of shape {tuple(values.shape)} are no (n, height, width, channels) "
        "with 1, 3 or 4 channels; move the axis of the channels to the end."
    )


def _is_picture(value: Any) -> bool:
    if isinstance(value, Mapping):  # an image of datasets that was not decoded
        return "bytes" in value and "path" in value
    if isinstance(value, np.ndarray):
        return value.dtype == np.uint8 and value.ndim in (2, 3)
    # Pillow is not loaded for this: whoever holds one of its images has loaded it
    return any(kind.__module__ == "PIL.Image" for kind in type(value).__mro__)


def _bytes(item: Any) -> bytes | None:
    """Return the content of a file; None for what is no file."""
    if isinstance(item, Mapping):
        item = item["bytes"] or Path(item["path"])
    if isinstance(item, Path):
        return item.read_bytes()
    return item if isinstance(item, bytes) else None


@contextmanager
def _opened(item: Any) -> Iterator[Image.Image]:
    from PIL import Image

    if isinstance(item, Image.Image):
        yield item
    elif isinstance(item, np.ndarray):
        yield _pictured(item)
    elif (data := _bytes(item)) is None:
        raise InputTypeError(f"the image is {'missing' if item is None else type(item).__name__}.")
    else:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_pixels(image.size)
            yield image


def _check_pixels(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(
            f"the image has {size[0]:,} x {size[1]:,} pixels; at most {MAX_PIXELS:,} are decoded, "
            "so shrink it."
        )


def _pictured(pixels: np.ndarray[Any, Any]) -> Image.Image:
    from PIL import Image

    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise InputTypeError(
            f"an image is a uint8 array (H, W) or (H, W, C), not {pixels.dtype} {pixels.shape}."
        )
    return Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    if image.mode[0] in "IF":
        return _upper_bits(ImageOps.exif_transpose(image))
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns of the way over RGB
    return ImageOps.exif_transpose(image).convert("RGB")


def _upper_bits(image: Image.Image) -> Image.Image:
    """Make 8 bits of 16 as Pillow does where there are colours; by itself it would clip."""
    from PIL import Image

    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() >= 1 << 16:
        raise InputError(f"the image holds {values.dtype} values beyond 16 bits; convert it.")
    return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")


def _traits(image: Image.Image) -> tuple[str, ...]:
    mode = "I" if image.mode.startswith("I;16") else image.mode
    traits = list(_MODES.get(mode, ("other_colours",)))
    if "transparency" in image.info:
        traits.append("with_alpha")
    if _is_turned(image):
        traits.append("turned")
    if image.format in ("GIF", "PNG", "WEBP") and getattr(image, "is_animated", False):
        traits.append("animated")
    return tuple(dict.fromkeys(traits))


def _is_turned(image: Image.Image) -> bool:
    if not {"exif", "xmp"} & set(image.info):  # a PNG would be decoded for its answer
        return False
    return image.getexif().get(ORIENTATION, 1) not in (0, 1)


def _is_whole(kind: str, data: bytes) -> bool:
    """Say whether a file surely has its end; what may lack it is decoded at once."""
    if kind in ("JPEG", "MPO"):
        return data.rstrip(b"\0\r\n ").endswith(b"\xff\xd9")
    if kind == "PNG":
        return b"IEND\xaeB`\x82" in data[-64:]
    return kind == "WEBP" and len(data) >= 8 + int.from_bytes(data[4:8], "little")


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _pixel_digest(image: Image.Image) -> str:
    return _digest(repr(image.size).encode() + image.tobytes())
