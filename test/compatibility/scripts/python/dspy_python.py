"""DSPy: signatures with one of its adapters, `chat` with marks between the fields or `json`."""

import functools
import json
import sys

import dspy
from play import FUNCTIONS, play

ADAPTERS = {"chat": dspy.ChatAdapter, "json": dspy.JSONAdapter}
VARIANT = sys.argv[1]


@functools.cache
def lm(base_url, api_key, model):
    return dspy.LM(
        f"openai/{model}", api_base=base_url, api_key=api_key, cache=False, num_retries=0
    )


def settings_of(c):
    return dspy.context(lm=lm(c.base_url, c.api_key, c.model), adapter=ADAPTERS[VARIANT]())


def signature_of(c, fields):
    return dspy.Signature(fields, c.prompt)


async def single(c):
    with settings_of(c):
        program = dspy.Predict(signature_of(c, "order -> shelf"))
        return [(await program.acall(order=c.question)).shelf]


async def stream(c):
    with settings_of(c):
        program = dspy.streamify(
            dspy.Predict(signature_of(c, "order -> shelf")),
            stream_listeners=[dspy.streaming.StreamListener(signature_field_name="shelf")],
        )
        text = ""
        async for part in program(order=c.question):
            if isinstance(part, dspy.streaming.StreamResponse):
                text += part.chunk
    # the JSON adapter streams the value as it stands in the JSON
    return [json.loads(text) if VARIANT == "json" else text]


async def structured(c):
    with settings_of(c):
        program = dspy.Predict(signature_of(c, "order -> colour: str, tins: int"))
        order = await program.acall(order=c.question)
    return [f"{order.colour} {order.tins}"]


async def tools(c):
    def find_customer(colour: str) -> str:
        return c.find_customer(colour)

    def check_stock(colour: str, tins: int) -> str:
        return c.check_stock(colour, tins)

    functions = [
        dspy.Tool(find_customer, desc=FUNCTIONS["find_customer"]),
        dspy.Tool(check_stock, desc=FUNCTIONS["check_stock"]),
    ]
    with settings_of(c):
        program = dspy.ReAct(signature_of(c, "order -> shelf"), tools=functions)
        answer = await program.acall(order=c.question)
    return [*c.calls, answer.shelf]


class Caller(dspy.Signature):
    history: dspy.History = dspy.InputField()
    order: str = dspy.InputField()
    shelf: str = dspy.OutputField()


async def chat(c):
    said = []
    with settings_of(c):
        program = dspy.Predict(Caller.with_instructions(c.prompt))
        history = dspy.History(messages=[])
        for question in c.questions:
            answer = await program.acall(order=question, history=history)
            history.messages.append({"order": question, **answer})
            said.append(answer.shelf)
    return said


play({"single": single, "stream": stream, "structured": structured, "tools": tools, "chat": chat})
