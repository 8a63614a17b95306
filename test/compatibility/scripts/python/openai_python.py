"""OpenAI's package for Python, with either API: `chat` or `responses`."""

import functools
import json
import sys

import openai
from play import FUNCTIONS, play
from pydantic import BaseModel


class Order(BaseModel):
    colour: str
    tins: int


PARAMETERS = {
    "find_customer": {"colour": {"type": "string"}},
    "check_stock": {"colour": {"type": "string"}, "tins": {"type": "integer"}},
}


def schema_of(name):
    properties = PARAMETERS[name]
    return {
        "name": name,
        "description": FUNCTIONS[name],
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
        "strict": True,
    }


TOOLS = [{"type": "function", "function": schema_of(name)} for name in FUNCTIONS]
RESPONSE_TOOLS = [{"type": "function", **schema_of(name)} for name in FUNCTIONS]


@functools.cache
def client(base_url, api_key):
    return openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0)


def client_of(c):
    return client(c.base_url, c.api_key)


def first_messages(c):
    return [{"role": "system", "content": c.prompt}, {"role": "user", "content": c.question}]


def chat_single(c):
    made = client_of(c).chat.completions.create(model=c.model, messages=first_messages(c))
    return [made.choices[0].message.content]


def chat_stream(c):
    stream = client_of(c).chat.completions.create(
        model=c.model, messages=first_messages(c), stream=True
    )
    return ["".join(chunk.choices[0].delta.content or "" for chunk in stream)]


def chat_structured(c):
    made = client_of(c).chat.completions.parse(
        model=c.model, messages=first_messages(c), response_format=Order
    )
    order = made.choices[0].message.parsed
    return [f"{order.colour} {order.tins}"]


def chat_tools(c):
    messages = first_messages(c)
    while True:
        made = client_of(c).chat.completions.create(model=c.model, messages=messages, tools=TOOLS)
        message = made.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return [*c.calls, message.content]
        for call in message.tool_calls:
            result = c.call(call.function.name, json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def chat_chat(c):
    messages = [{"role": "system", "content": c.prompt}]
    said = []
    for question in c.questions:
        messages.append({"role": "user", "content": question})
        made = client_of(c).chat.completions.create(model=c.model, messages=messages)
        message = made.choices[0].message
        messages.append(message)
        said.append(message.content)
    return said


def responses_single(c):
    made = client_of(c).responses.create(model=c.model, instructions=c.prompt, input=c.question)
    return [made.output_text]


def responses_stream(c):
    stream = client_of(c).responses.create(
        model=c.model, instructions=c.prompt, input=c.question, stream=True
    )
    return ["".join(event.delta for event in stream if event.type == "response.output_text.delta")]


def responses_structured(c):
    made = client_of(c).responses.parse(
        model=c.model, instructions=c.prompt, input=c.question, text_format=Order
    )
    return [f"{made.output_parsed.colour} {made.output_parsed.tins}"]


def responses_tools(c):
    """The history goes back whole, as the documentation of functions shows it."""
    items = [{"role": "user", "content": c.question}]
    while True:
        made = client_of(c).responses.create(
            model=c.model, instructions=c.prompt, input=items, tools=RESPONSE_TOOLS
        )
        items += made.output
        calls = [item for item in made.output if item.type == "function_call"]
        if not calls:
            return [*c.calls, made.output_text]
        for call in calls:
            result = c.call(call.name, json.loads(call.arguments))
            items.append(
                {"type": "function_call_output", "call_id": call.call_id, "output": result}
            )


def responses_chat(c):
    """The history stays at the API."""
    said = []
    previous = openai.omit if hasattr(openai, "omit") else openai.NOT_GIVEN
    for question in c.questions:
        made = client_of(c).responses.create(
            model=c.model, instructions=c.prompt, input=question, previous_response_id=previous
        )
        previous = made.id
        said.append(made.output_text)
    return said


variant = sys.argv[1]
play({name: globals()[f"{variant}_{name}"] for name in ("single", "stream", "structured", "tools", "chat")})
