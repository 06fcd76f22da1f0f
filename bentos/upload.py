"""The photo of a request: taken from the multipart form, or refused in one sentence.

BentoML's own reading of file fields fetches addresses sent in their place and answers 500 to a missing field; here
nothing is fetched, and whatever a client sends gets a 4xx that says what to send.
"""

from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

FIELD = "image"
_HOW = f"send the photo as a file in the multipart field '{FIELD}', as curl -F {FIELD}=@photo.jpg does"


async def read_photo(request: Request) -> UploadFile | JSONResponse:
    """The uploaded file of a request, or the response that refuses it.

    The bytes stay in the upload's spooled file, so that waiting requests cost little memory.
    """
    try:
        form = await request.form(max_files=1)
    except HTTPException as error:
        return refuse(f"The form cannot be read ({error.detail.rstrip('.')}); {_HOW}.")
    except ClientDisconnect:
        return refuse("The request ended before its body was complete.")
    values: list[Any] = form.getlist(FIELD)
    if not values:
        return refuse(f"The field '{FIELD}' is missing; {_HOW}.")
    if len(values) > 1:
        return refuse(f"The field '{FIELD}' was sent {len(values)} times; send one photo a request.")
    if not isinstance(values[0], UploadFile):
        return refuse(f"The field '{FIELD}' holds text, and addresses are not fetched; {_HOW}.")
    return values[0]


def refuse(sentence: str) -> JSONResponse:
    """The answer 422, in the shape of BentoML's own errors."""
    return JSONResponse({"error": sentence}, status_code=422)
