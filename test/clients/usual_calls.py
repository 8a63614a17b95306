"""The usual calls of the Python client. Prints a line of JSON with what it got.

Arguments: the base URL, the key, `all` or `answered` (what a lora may answer), the system's prompt
and the user's question.
"""

import asyncio
import base64
import json
import sys

import openai
from pydantic import BaseModel

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


def responses():
    return client.responses.create(model=MODEL, input="hello")


def responses_stream():
    return list(client.responses.create(model=MODEL, input="hello", stream=True))


def embeddings():
    model = "text-embedding-3-small"
    return [
        client.embeddings.create(model=model, input=["one", "zwei"]),
        client.embeddings.create(model=model, input="one", encoding_format="base64"),
    ]


def files():
    sent = client.files.create(file=("zeilen – 行.jsonl", JSONL), purpose="batch")
    batch = client.batches.create(
        input_file_id=sent.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    return [
        sent,
        list(client.files.list()),
        client.files.content(sent.id).read(),
        client.batches.retrieve(batch.id),
        client.files.delete(sent.id),
    ]


def images():
    return [
        client.images.generate(model="gpt-image-1", prompt="a cat"),
        client.images.edit(model="gpt-image-1", prompt="greener", image=("a.png", b"\x89PNG\x00")),
    ]


def audio():
    spoken = client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="Grüezi")
    heard = client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("speech.wav", b"RIFF\x00\xff")
    )
    return [spoken.read(), heard]


def moderations():
    return client.moderations.create(input=["hello", "kill"])


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


def no_such_file():
    return error_of(lambda: client.files.retrieve("file-none"))


ANSWERED = [chat, chat_stream, chat_helper, chat_async]
ERRORS = [wrong_key, no_such_model, no_such_file]
OTHERS = [
    tools,
    parsed,
    multimodal,
    responses,
    responses_stream,
    embeddings,
    files,
    images,
    audio,
    moderations,
    models,
]
CALLS = {"all": ANSWERED + OTHERS + ERRORS, "answered": ANSWERED}[WHICH]


def plain(value):
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


print(json.dumps({call.__name__: plain(call()) for call in CALLS}))
