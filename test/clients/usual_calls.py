"""The usual calls of the Python client. Prints the results as one line of JSON.

Arguments: the base URL, the key, `all` or `answered` (only the calls that a lora may answer), the
system prompt and the user's question.
"""

import asyncio
import base64
import json
import sys

import openai
from pydantic import BaseModel

try:
    import agents
except ImportError:
    agents = None

BASE_URL, KEY, WHICH, PROMPT, QUESTION = sys.argv[1:]
JSONL = '{"custom_id":"1"}\n{"custom_id":"zwei – 二"}\n'.encode()
PIXEL = "data:image/png;base64,iVBORw0KGgo="

client = openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
MODEL = "gpt-4o-mini"
MESSAGES = [
    {"role": "system", "content": PROMPT},
    {"role": "user", "content": QUESTION},
]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


class Event(BaseModel):
    name: str
    people: list[str]


def chat():
    return client.chat.completions.create(model=MODEL, messages=MESSAGES)


def chat_stream():
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    return list(stream)


def chat_helper():
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        return stream.get_final_completion()


def chat_async():
    async def ask():
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0) as other:
            stream = await other.chat.completions.create(
                model=MODEL, messages=MESSAGES, stream=True
            )
            return [chunk async for chunk in stream]

    return asyncio.run(ask())


def tools():
    first = client.chat.completions.create(model=MODEL, messages=MESSAGES, tools=TOOLS)
    message = first.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls
    ]
    turns = [*MESSAGES, message.model_dump(exclude_none=True), *results]
    return [first, client.chat.completions.create(model=MODEL, messages=turns, tools=TOOLS)]


def parsed():
    completion = client.chat.completions.parse(
        model=MODEL, messages=MESSAGES, response_format=Event
    )
    return completion.choices[0].message.parsed


def multimodal():
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    return client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": content}], n=2, logprobs=True
    )


def ask_response(**more):
    return client.responses.create(model=MODEL, instructions=PROMPT, input=QUESTION, **more)


def response():
    return ask_response(store=False)


def response_stream():
    return list(ask_response(store=False, stream=True))


def response_helper():
    with client.responses.stream(
        model=MODEL, instructions=PROMPT, input=QUESTION, store=False
    ) as stream:
        return stream.get_final_response()


def kept_response():
    made = ask_response()
    again = client.responses.retrieve(made.id)
    items = list(client.responses.input_items.list(made.id))
    client.responses.delete(made.id)
    return [made, again, items]


def agent():
    agents.set_tracing_disabled(True)
    own = openai.AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
    model = agents.OpenAIResponsesModel(model=MODEL, openai_client=own)
    clerk = agents.Agent(name="Clerk", instructions=PROMPT, model=model)
    return agents.Runner.run_sync(clerk, QUESTION).final_output


def responses():
    return client.responses.create(model=MODEL, input="hello")


def responses_stream():
    return list(client.responses.create(model=MODEL, input="hello", stream=True))


def embeddings():
    return client.embeddings.create(
        model="text-embedding-3-small", input=["one", "zwei"], dimensions=5
    )


def files():
    sent = client.files.create(file=("zeilen – 行.jsonl", JSONL), purpose="batch")
    return [sent, list(client.files.list()), client.files.content(sent.id).read()]


def images():
    return client.images.edit(
        model="gpt-image-1", prompt="greener", image=("a.png", b"\x89PNG\x00")
    )


def audio():
    return client.audio.speech.create(
        model="gpt-4o-mini-tts", voice="alloy", input="Grüezi"
    ).read()


def models():
    return [list(client.models.list()), client.models.retrieve(MODEL)]


def error_of(call):
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code, error.request_id]
    raise AssertionError("the call succeeded")


def wrong_key():
    other = client.with_options(api_key="sk-wrong")
    return error_of(lambda: other.chat.completions.create(model=MODEL, messages=MESSAGES))


def no_such_model():
    return error_of(lambda: client.chat.completions.create(model="gpt-none", messages=MESSAGES))


BY_BOTH = [
    chat,
    chat_stream,
    chat_helper,
    chat_async,
    response,
    response_stream,
    response_helper,
    *([] if agents is None else [agent]),
]
ERRORS = [wrong_key, no_such_model]
API = [responses, responses_stream, embeddings, files, images, audio, models]
OTHERS = [tools, parsed, multimodal, *API]
CALLS = {"all": BY_BOTH + OTHERS + ERRORS, "answered": [*BY_BOTH, kept_response]}[WHICH]


def plain(value):
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


print(json.dumps({call.__name__: plain(call()) for call in CALLS}))
