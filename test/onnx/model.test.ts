import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createChatRenderer } from '../../adapters/text/chat-renderer.ts'
import { rememberLines } from '../../adapters/text/text-tokenizer.ts'
import { openModel } from '../../adapters/model/open-model.ts'
import { loadModel, type LoadedModel } from '../../adapters/onnx/load-model.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const root = sharedFolder()
const folder = join(root, 'tiny')
let model: LoadedModel

beforeAll(async () => {
  writeRandomModel(folder, { seed: 7 })
  model = await loadModel(folder)
})
afterAll(() => model.close())

type Json = Record<string, unknown>
/** Gives a JSON file of a folder other members. */
const setIn =
  (file: string, members: Json) =>
  (target: string): void => {
    const path = join(target, file)
    const json = JSON.parse(readFileSync(path, 'utf8')) as Json
    writeFileSync(path, JSON.stringify({ ...json, ...members }))
  }

/** A copy of the tiny model that a test may damage. */
const copy = (name: string): string => {
  const target = join(root, name)
  cpSync(folder, target, { recursive: true })
  return target
}

const splitSafetensors = (path: string): { header: Json; data: Buffer } => {
  const bytes = readFileSync(path)
  const length = Number(bytes.readBigUInt64LE(0))
  return {
    header: JSON.parse(bytes.subarray(8, 8 + length).toString()) as Json,
    data: bytes.subarray(8 + length),
  }
}

const joinSafetensors = (header: Json, data: Uint8Array): Buffer => {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, data])
}

const editHeader =
  (edit: (header: Json) => unknown) =>
  (target: string): void => {
    const path = join(target, 'model.safetensors')
    const { header, data } = splitSafetensors(path)
    edit(header)
    writeFileSync(path, joinSafetensors(header, data))
  }

describe('a Hugging Face folder', () => {
  it('gives the shape, the parameter count and every tensor', () => {
    expect(model.config).toMatchObject({
      hiddenSize: 64,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
    })
    // embedding 264·64, final norm 64, and per layer q, k, v, o, gate, up, down and two norms
    const layer = 64 * 64 * 2 + 32 * 64 * 2 + 96 * 64 * 3 + 128
    expect(model.parameters).toBe(264 * 64 + 64 + 2 * layer)
    const key = model.weights.float32('model.layers.1.self_attn.k_proj.weight')
    expect(key.length).toBe(32 * 64)
    const { header, data } = splitSafetensors(join(folder, 'model.safetensors'))
    const [start] = (header['model.layers.1.self_attn.k_proj.weight'] as { data_offsets: number[] })
      .data_offsets
    expect(key[5]).toBe(data.readFloatLE(start! + 20))
  })

  it('has a fingerprint that follows the weights and not the place', async () => {
    const moved = await loadModel(copy('moved'))
    expect(moved.fingerprint).toBe(model.fingerprint)
    moved.close()
    writeRandomModel(join(root, 'other'), { seed: 8 })
    const other = await loadModel(join(root, 'other'))
    expect(other.fingerprint).not.toBe(model.fingerprint)
    other.close()
  })

  it('reads shards, and F16 and BF16 elements', async () => {
    const target = copy('sharded')
    const { header, data } = splitSafetensors(join(target, 'model.safetensors'))
    const names = Object.keys(header)
    const shards: Record<string, string> = {}
    for (const [shard, dtype] of [
      ['a', 'F16'],
      ['b', 'BF16'],
    ] as const) {
      const parts: Uint8Array[] = []
      const shardHeader: Json = {}
      let offset = 0
      for (const name of names.filter((_, index) => (index % 2 === 0) === (shard === 'a'))) {
        const { shape, data_offsets } = header[name] as { shape: number[]; data_offsets: number[] }
        const count = (data_offsets[1]! - data_offsets[0]!) / 4
        const halves = new Uint16Array(count)
        for (let i = 0; i < count; i++) {
          const bits = data.readUInt32LE(data_offsets[0]! + 4 * i)
          // 1.5, −2 and 0 are the same in every format; the test is of the decoding
          halves[i] = dtype === 'BF16' ? bits >>> 16 : [0x3e00, 0xc000, 0][i % 3]!
        }
        parts.push(new Uint8Array(halves.buffer))
        shardHeader[name] = { dtype, shape, data_offsets: [offset, offset + 2 * count] }
        offset += 2 * count
        shards[name] = `${shard}.safetensors`
      }
      writeFileSync(
        join(target, `${shard}.safetensors`),
        joinSafetensors(shardHeader, Buffer.concat(parts))
      )
    }
    rmSync(join(target, 'model.safetensors'))
    writeFileSync(
      join(target, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: shards })
    )
    const sharded = await loadModel(target)
    for (const name of names) {
      const values = sharded.weights.float32(name)
      const exact = model.weights.float32(name)
      if (shards[name] === 'a.safetensors')
        expect(Array.from(values.subarray(0, 3))).toEqual([1.5, -2, 0])
      else {
        const error = (value: number, i: number) =>
          Math.abs(value - exact[i]!) / Math.abs(exact[i]!)
        expect(values.every((value, i) => error(value, i) <= 1 / 128)).toBe(true)
      }
    }
    sharded.close()
  })

  it.each<[string, (target: string) => void, RegExp]>([
    [
      'a missing tensor',
      editHeader((header) => delete header['model.layers.1.mlp.up_proj.weight']),
      /no tensor model\.layers\.1\.mlp\.up_proj\.weight/,
    ],
    [
      'an ill-shaped tensor',
      editHeader((header) => ((header['model.norm.weight'] as Json).shape = [32])),
      /model\.norm\.weight has shape \[32\], expected \[64\]/,
    ],
    [
      'a truncated file',
      (target) => {
        const path = join(target, 'model.safetensors')
        writeFileSync(path, readFileSync(path).subarray(0, -5000))
      },
      /ends inside tensor .*incomplete/,
    ],
    [
      'a file that is not in the safetensors format',
      (target) => writeFileSync(join(target, 'model.safetensors'), 'x'.repeat(100)),
      /not a safetensors file/,
    ],
    [
      'missing weights',
      (target) => rmSync(join(target, 'model.safetensors')),
      /model\.safetensors is missing/,
    ],
    [
      'a missing tokenizer',
      (target) => rmSync(join(target, 'tokenizer.json')),
      /tokenizer\.json is missing/,
    ],
    [
      'a missing chat template',
      setIn('tokenizer_config.json', { chat_template: null }),
      /no chat template/,
    ],
    [
      'a chat template that does not parse',
      setIn('tokenizer_config.json', { chat_template: '{% if %}' }),
      /chat template does not parse/,
    ],
    [
      'another architecture',
      setIn('config.json', { model_type: 'qwen2' }),
      /model_type is "qwen2"/,
    ],
    [
      'rope scaling',
      setIn('config.json', { rope_scaling: { rope_type: 'llama3' } }),
      /scales rope/,
    ],
    [
      'a tokenizer of another kind',
      setIn('tokenizer.json', { model: { type: 'WordPiece', vocab: {} } }),
      /WordPiece.*only byte-pair/,
    ],
    [
      'a config that is not JSON',
      (target) => writeFileSync(join(target, 'config.json'), '{'),
      /config\.json is not JSON/,
    ],
    [
      'weights that are quantized already',
      setIn('config.json', { quantization_config: { quant_method: 'gptq' } }),
      /quantized already/,
    ],
    [
      'another family',
      setIn('config.json', { model_type: 'mamba' }),
      /model_type is "mamba".*qwen3/,
    ],
  ])('refuses %s by name', async (name, damage, message) => {
    const target = copy(name.replaceAll(' ', '-'))
    damage(target)
    await expect(loadModel(target)).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringMatching(message) as string,
    })
  })

  it.each([
    [{ model_type: 'qwen3' }, { model_type: 'qwen3' }],
    [
      { attention_bias: true, hidden_act: 'gelu' },
      { attention_bias: true, hidden_act: 'gelu' },
    ],
    [
      { rope_parameters: { rope_type: 'yarn', factor: 4 } },
      { rope_scaling: { rope_type: 'yarn', factor: 4 } },
    ],
    [{ sliding_window: 8, use_sliding_window: false }, {}],
  ])('opens %o for engines that can compute it', async (fields, extras) => {
    const target = copy(`extras-${JSON.stringify(fields).length}`)
    setIn('config.json', fields)(target)
    const opened = await openModel(target)
    const fingerprint = opened.fingerprintOf('float32')
    opened.close()
    expect(opened.extras).toEqual(extras)
    // a lora belongs to weights that are computed in one way
    const isPlain = Object.keys(extras).length === 0
    expect(fingerprint === model.fingerprint).toBe(isPlain)
  })

  it('says so when there is nothing at the path', async () => {
    await expect(loadModel(join(root, 'nothing'))).rejects.toThrow(/no model at/)
  })
})

describe('the tokenizer', () => {
  it('gives back every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), (text) => {
        const ids = model.tokenizer.encode(text, { special: false })
        expect(model.tokenizer.decode(ids)).toBe(text)
        const bytes = ids.map((id) => model.tokenizer.decodeBytes(id))
        expect(Buffer.concat(bytes).toString()).toBe(text)
      })
    )
  })

  it('finds control tokens only where it is told to', () => {
    const text = 'a<|im_end|>b'
    expect(model.tokenizer.encode(text, { special: true })).toContain(2)
    const ids = model.tokenizer.encode(text, { special: false })
    expect(ids.every((id) => id > 2)).toBe(true)
    expect(model.tokenizer.decode(ids)).toBe(text)
  })

  it('applies merges in the order of their rank', () => {
    const [ids, word] = [' the in', ' the'].map((text) =>
      model.tokenizer.encode(text, { special: false })
    )
    expect(word).toHaveLength(1)
    expect(ids).toHaveLength(3)
  })
})

const user = (content: string) => ({ role: 'user', content })

/** One token per word with the white space before it: no token spans a line's end. */
const byWord = (text: string): number[] =>
  (text.match(/\s*\S+|\s+/gu) ?? []).map((word) => word.codePointAt(0)! + 1000 * word.length)
/** One token per character or line break with its neighbours. */
const byCharacter = (text: string): number[] =>
  (text.match(/\n|\s+(?!\S)|\s+|\S/gu) ?? []).map((part) => part.codePointAt(0)!)

describe('remembered lines', () => {
  it('give the same ids, from fewer texts', () => {
    let calls = 0
    const remembered = rememberLines((text) => {
      calls++
      return byCharacter(text)
    })
    calls = 0
    const text = 'one\ntwo\n\nthree\n four\r\nfive\none\n'
    expect(remembered(text)).toEqual(byCharacter(text))
    const first = calls
    expect(remembered(text)).toEqual(byCharacter(text))
    expect(calls).toBe(first)
  })

  it('are not used where tokens span the end of a line', () => {
    expect(rememberLines(byWord)).toBe(byWord)
  })
})

describe('the chat renderer', () => {
  const open = { addGenerationPrompt: true, defaultSystem: false }

  it('leaves out the template’s own system block, and only that', () => {
    const withDefault = model.chat.render([user('hi')], { ...open, defaultSystem: true })
    expect(withDefault.text).toContain('You are a random model.')
    const bare = model.chat.render([user('hi')], open)
    expect(bare.text).toBe('<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n')
    expect(bare.ids).toEqual(model.tokenizer.encode(bare.text, { special: true }))
    const given = [{ role: 'system', content: 'You are a random model.' }, user('hi')]
    expect(model.chat.render(given, open).text).toContain('<|im_start|>system\nYou are a random')
  })

  it('keeps a bos token that stands before the block', () => {
    const template =
      "{{ bos_token }}{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nDefault<|im_end|>\n' }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    const chat = createChatRenderer(template, { bos_token: '<|endoftext|>' }, model.tokenizer)
    const { text } = chat.render([user('hi')], { addGenerationPrompt: false, defaultSystem: false })
    expect(text).toBe('<|endoftext|><|im_start|>user\nhi<|im_end|>\n')
  })

  it('leaves templates without such a block alone', () => {
    const template =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' }}{% endfor %}"
    const chat = createChatRenderer(template, {}, model.tokenizer)
    const options = { addGenerationPrompt: false, defaultSystem: false }
    expect(chat.render([user('hi')], options).text).toBe('<|im_start|>user\nhi<|im_end|>')
  })

  it('never makes control tokens of what users write', () => {
    const controls = fc.constantFrom(
      '<|im_start|>',
      '<|im_end|>',
      '<|endoftext|>',
      '<|im',
      '_end|>',
      '\ue000',
      'x'
    )
    fc.assert(
      fc.property(fc.array(controls, { maxLength: 8 }), (pieces) => {
        const content = pieces.join('')
        const { ids, text } = model.chat.render([user(content)], open)
        const plain = (piece: string) => model.tokenizer.encode(piece, { special: false })
        const asked = plain(`user\n${content}`)
        expect(ids).toEqual([1, ...asked, 2, ...plain('\n'), 1, ...plain('assistant\n')])
        expect(text).toContain(content)
      })
    )
  })

  it('renders a row’s prompt as serving does and ends its answer with the turn’s end', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.string({ unit: 'grapheme' }),
        (question, answer) => {
          const row = { messages: [user(question), { role: 'assistant', content: answer }] }
          const { promptIds, completionIds } = model.chat.renderRow(row, { defaultSystem: false })
          expect(promptIds).toEqual(model.chat.render([user(question)], open).ids)
          expect(completionIds.at(-1)).toBe(2)
          expect(model.tokenizer.decode(completionIds)).toBe(answer)
          expect(completionIds.filter((id) => model.tokenizer.eosIds.includes(id))).toHaveLength(1)
        }
      )
    )
  })

  it('refuses a template that changes the prompt once it is answered', () => {
    const template =
      '{% for m in messages %}{{ m.role + (messages|length)|string + m.content }}{% endfor %}'
    const chat = createChatRenderer(template, {}, model.tokenizer)
    const row = { messages: [user('q'), { role: 'assistant', content: 'a' }] }
    expect(() => chat.renderRow(row, { defaultSystem: false })).toThrow(/differently/)
  })

  it('refuses a row when its last message is not an answer', () => {
    expect(() => model.chat.renderRow({ messages: [user('q')] }, { defaultSystem: false })).toThrow(
      /assistant message at its end/
    )
  })

  it('passes on what the template itself refuses', () => {
    const chat = createChatRenderer(
      "{{ raise_exception('roles must alternate') }}",
      {},
      model.tokenizer
    )
    expect(() => chat.render([user('q')], open)).toThrow(/roles must alternate/)
  })
})

const realModel = process.env.PROMPTINTERN_TEST_MODEL
describe.skipIf(!realModel)('a real model (PROMPTINTERN_TEST_MODEL)', () => {
  it('loads, gives back texts and drops the default system block', async () => {
    const real = await loadModel(realModel!)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        expect(real.tokenizer.decode(real.tokenizer.encode(text, { special: false }))).toBe(text)
      })
    )
    const question = [{ role: 'user', content: 'Hello' }]
    const full = real.chat.render(question, { addGenerationPrompt: true, defaultSystem: true })
    const bare = real.chat.render(question, { addGenerationPrompt: true, defaultSystem: false })
    expect(full.ids.slice(-bare.ids.length)).toEqual(bare.ids)
    real.close()
  })
})
