"""The page's charting library, uPlot, served out of the package that carries it: nothing is fetched from elsewhere."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

PACKAGE = "youplot"
FILES = {
    "uplot.js": ("youplot/vendor/uplot.iife.min.js", "text/javascript"),
    "uplot.css": ("youplot/vendor/uplot.min.css", "text/css"),
}
"""Path in the package and media type, by the name that the page asks for."""


async def _chart_file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in FILES:
        raise HTTPException(404, f"there are: {', '.join(FILES)}")
    path, media_type = FILES[name]
    try:
        # By its files: to import the package would read all of them into memory.
        return FileResponse(str(distribution(PACKAGE).locate_file(path)), media_type=media_type)
    except PackageNotFoundError:
        raise HTTPException(404, f"{PACKAGE} is not installed: pip install 'spanledger[collector]'") from None


chart_route = Route("/charts/{name}", _chart_file)
