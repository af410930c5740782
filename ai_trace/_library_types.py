"""
Which types of other libraries are known, by the names that their modules give them.

No library is imported for that, and no class is believed: its module has to hold it
under the name that it gives.
"""

from __future__ import annotations

import sys
from typing import Any, Callable

from ai_trace import _arrays, _exchanges, _rows, _tables
from ai_trace._arrays import Summary
from ai_trace._field_types import UNKNOWN, ByClass, pydantic_reader, struct_reader
from ai_trace._objects import instance_dict, known_name


def text_by(module: str, name: str) -> ByClass:
    """Read a value's text by its known class, past what a subclass overrides."""
    return ByClass(lambda _cls: getattr(sys.modules[module], name).__str__)


def _text_of_known(value: object) -> Any:
    """Return the text of a value whose class is named here; a subclass may override."""
    return str(value) if known_name(type(value)) in BY_NAME else UNKNOWN


def _text_of_library(value: object) -> Any:
    """Return the text of a type of items, if it is the library's own."""
    package = known_name(type(value)).partition(".")[0]
    return str(value) if package in _WITH_DTYPES else UNKNOWN


def _url(value: object) -> Any:
    """Return the text of pydantic's URL, also inside a class of the program."""
    inside = instance_dict(value).get("_url", value)
    return str(inside) if known_name(type(inside)) in _CORE_URLS else UNKNOWN


def _httpx_url(value: object) -> Any:
    inside = instance_dict(value).get("_uri_reference")
    # Before httpx 0.24 it was one of rfc3986.
    is_own = known_name(type(inside)).startswith(("httpx.", "rfc3986."))
    return str(inside) if is_own else UNKNOWN


def _moment(value: Any) -> Any:
    return sys.modules["pandas"].Timestamp.isoformat(value)


def _masked(_value: Any) -> Summary:
    return Summary("**********", {"kind": "secret"}, "redacted")


# Shown by their text, if the class is exactly this one.
_WITH_TEXT = (
    "builtins.sentinel",
    "datetime.timezone",
    "ipaddress.IPv4Address",
    "ipaddress.IPv4Interface",
    "ipaddress.IPv4Network",
    "ipaddress.IPv6Address",
    "ipaddress.IPv6Interface",
    "ipaddress.IPv6Network",
    "numpy.ma.core.MaskedConstant",
    "pandas.Interval",
    "pandas.Period",
    "pandas.Timedelta",
    "pandas._libs.interval.Interval",
    "pandas._libs.missing.NAType",
    "pandas._libs.tslibs.nattype.NaTType",
    "pandas._libs.tslibs.period.Period",
    "pandas._libs.tslibs.timedeltas.Timedelta",
    "pandas.api.typing.NAType",
    "pandas.api.typing.NaTType",
    "typing_extensions.Sentinel",
    "typing_extensions.sentinel",
    "yarl.URL",
    "yarl._url.URL",
    "zoneinfo.ZoneInfo",
)

_DTYPES = (
    "numpy.dtype",
    "pandas._libs.tslibs.offsets.BaseOffset",
    "pandas.api.extensions.ExtensionDtype",
    "pandas.core.dtypes.base.ExtensionDtype",
    "polars.datatypes.classes.DataType",
    "pyarrow.lib.DataType",
    "torch.device",
    "torch.dtype",
)
_WITH_DTYPES = ("numpy", "pandas", "polars", "pyarrow", "torch")

_CORE_URLS = (
    "pydantic_core._pydantic_core.Url",
    "pydantic_core._pydantic_core.MultiHostUrl",
)
_URLS = (
    *_CORE_URLS,
    "pydantic.networks._BaseUrl",
    "pydantic.networks._BaseMultiHostUrl",
)

_SECRETS = (
    "pydantic.types.SecretBytes",
    "pydantic.types.SecretField",
    "pydantic.types.SecretStr",
    "pydantic.types._SecretBase",
    "pydantic.v1.types.SecretBytes",
    "pydantic.v1.types.SecretStr",
)

BY_NAME: dict[str, Callable[[Any], Any] | ByClass] = {
    **dict.fromkeys(_WITH_TEXT, _text_of_known),
    **dict.fromkeys(_DTYPES, _text_of_library),
    **dict.fromkeys(_URLS, _url),
    **dict.fromkeys(_SECRETS, _masked),
    "PIL.Image.Image": _tables.image,
    "aiohttp.client_reqrep.ClientResponse": _exchanges.aiohttp_response,
    "aiohttp.web_request.BaseRequest": _exchanges.aiohttp_request,
    "aiohttp.web_response.StreamResponse": _exchanges.aiohttp_answer,
    "django.db.models.base.Model": _rows.django_model,
    "email.message.Message": _exchanges.mail,
    "google._upb._message.Message": _rows.protobuf_message,
    "google._upb._message.RepeatedCompositeContainer": _rows.protobuf_list,
    "google._upb._message.RepeatedScalarContainer": _rows.protobuf_list,
    "http.cookies.Morsel": _exchanges.cookie,
    "httpx.Headers": _exchanges.httpx_headers,
    "httpx.Request": _exchanges.httpx_request,
    "httpx.Response": _exchanges.httpx_response,
    "httpx.URL": _httpx_url,
    "jaxlib._jax.ArrayImpl": _tables.jax_array,
    "jaxlib.xla_extension.ArrayImpl": _tables.jax_array,
    "msgspec.Struct": ByClass(struct_reader),
    "multidict._multidict.MultiDict": _exchanges.multi_dict,
    "multidict._multidict.MultiDictProxy": _exchanges.multi_dict,
    "multidict._multidict_py.MultiDict": _exchanges.multi_dict,
    "multidict._multidict_py.MultiDictProxy": _exchanges.multi_dict,
    "numpy.generic": _arrays.scalar,
    "numpy.ndarray": _arrays.array,
    "pandas.DataFrame": _arrays.frame,
    "pandas.Index": _arrays.index,
    "pandas.Series": _arrays.series,
    # A datetime by its class, but methods of datetime read the wrong fields of it.
    "pandas.Timestamp": _moment,
    "pandas._libs.tslibs.timestamps.Timestamp": _moment,
    "pandas.api.extensions.ExtensionArray": _arrays.extension_array,
    "pandas.core.arrays.base.ExtensionArray": _arrays.extension_array,
    "pandas.core.frame.DataFrame": _arrays.frame,
    "pandas.core.indexes.base.Index": _arrays.index,
    "pandas.core.series.Series": _arrays.series,
    "polars.dataframe.frame.DataFrame": _tables.polars_frame,
    "polars.series.series.Series": _tables.polars_series,
    "pyarrow.lib.Array": _tables.arrow_array,
    "pyarrow.lib.ChunkedArray": _tables.arrow_array,
    "pyarrow.lib.RecordBatch": _tables.arrow_table,
    "pyarrow.lib.Scalar": _tables.arrow_scalar,
    "pyarrow.lib.Table": _tables.arrow_table,
    "pydantic.main.BaseModel": ByClass(pydantic_reader),
    "pydantic.v1.main.BaseModel": ByClass(pydantic_reader),
    "requests.models.PreparedRequest": _exchanges.requests_request,
    "requests.models.Request": _exchanges.requests_request,
    "requests.models.Response": _exchanges.requests_response,
    "requests.structures.CaseInsensitiveDict": _exchanges.requests_headers,
    "sqlalchemy.engine.row.Row": _rows.sqlalchemy_row,
    "sqlalchemy.engine.row.RowMapping": _rows.sqlalchemy_row,
    "sqlite3.Row": _rows.sqlite_row,
    "torch.Tensor": _arrays.tensor,
    "torch._tensor.Tensor": _arrays.tensor,
    "urllib.request.Request": _exchanges.urllib_request,
    "xarray.core.dataarray.DataArray": _tables.labelled_array,
    "xarray.core.dataset.Dataset": _tables.labelled_arrays,
    "xarray.core.variable.Variable": _tables.labelled_variable,
}
