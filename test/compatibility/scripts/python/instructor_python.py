"""Instructor: every answer is an object of a class.

Its modes ask for a call (`tools`), for JSON of a schema (`json`), or for a call of the Responses API (`responses`).
"""

import functools
import sys
from typing import Iterable

import instructor
import openai
from play import FUNCTIONS, play
from pydantic import BaseModel, create_model

MODES = {
    "tools": instructor.Mode.TOOLS,
    "json": instructor.Mode.JSON_SCHEMA,
    "responses": instructor.Mode.RESPONSES_TOOLS,
}
VARIANT = sys.argv[1]


class Shelf(BaseModel):
    shelf: str


class Order(BaseModel):
    colour: str
    tins: int


find_customer = create_model("find_customer", __doc__=FUNCTIONS["find_customer"], colour=str)
check_stock = create_model(
    "check_stock", __doc__=FUNCTIONS["check_stock"], colour=str, tins=int
)


@functools.cache
def client(base_url, api_key, mode):
    return instructor.from_openai(
        openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0), mode=mode
    )


def create(c, messages, response_model, mode=MODES[VARIANT]):
    return client(c.base_url, c.api_key, mode).create(
        model=c.model, messages=messages, response_model=response_model, max_retries=0
    )


def messages_of(c):
    return [{"role": "system", "content": c.prompt}, {"role": "user", "content": c.question}]


def single(c):
    return [create(c, messages_of(c), Shelf).shelf]


def stream(c):
    shelf = None
    for shelf in client(c.base_url, c.api_key, MODES[VARIANT]).create_partial(
        model=c.model, messages=messages_of(c), response_model=Shelf, max_retries=0
    ):
        pass
    return [shelf.shelf]


def structured(c):
    order = create(c, messages_of(c), Order)
    return [f"{order.colour} {order.tins}"]


def tools(c):
    """Results of functions go back as the user's text: instructor has no loop of its own."""
    messages = messages_of(c)
    for _ in FUNCTIONS:
        calls = create(
            c, messages, Iterable[find_customer | check_stock], instructor.Mode.PARALLEL_TOOLS
        )
        for call in calls:
            result = c.call(type(call).__name__, call.model_dump())
            messages.append({"role": "user", "content": result})
    return [*c.calls, create(c, messages, Shelf).shelf]


def chat(c):
    messages = [{"role": "system", "content": c.prompt}]
    said = []
    for question in c.questions:
        messages.append({"role": "user", "content": question})
        shelf = create(c, messages, Shelf)
        messages.append({"role": "assistant", "content": shelf.model_dump_json()})
        said.append(shelf.shelf)
    return said


play({"single": single, "stream": stream, "structured": structured, "tools": tools, "chat": chat})
