/** Images, audio, embeddings and moderations of the mock. */
import type OpenAI from 'openai'
import { z } from 'zod'
import {
  bytes,
  CREATED,
  fileField,
  formBody,
  json,
  jsonBody,
  textField,
  type Answer,
  type Call,
} from './wire.ts'

/** Bytes of every value, so that a text decoder on the way would show. */
const noise = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 89) % 256))

const imageRequest = z.strictObject({
  model: z.string(),
  prompt: z.string().min(1),
  n: z.int().min(1).max(10).optional(),
  size: z.string().optional(),
  response_format: z.enum(['url', 'b64_json']).optional(),
})

const imagesOf = (count: number, seed: string): OpenAI.ImagesResponse => ({
  created: CREATED,
  data: Array.from({ length: count }, (_, i) => ({
    b64_json: Buffer.concat([noise(1000), Buffer.from(`${seed} ${i}`)]).toString('base64'),
  })),
})

export const generateImages = (call: Call): Answer => {
  const { prompt, n = 1 } = jsonBody(imageRequest, call)
  return json(imagesOf(n, prompt))
}

export const editImage = async (call: Call): Promise<Answer> => {
  const form = await formBody(call)
  const { content } = await fileField(form, 'image')
  return json(imagesOf(1, `${textField(form, 'prompt')} ${content.toString('hex')}`))
}

export const transcribe = async (call: Call): Promise<Answer> => {
  const form = await formBody(call)
  const { filename, content } = await fileField(form, 'file')
  return json({ text: `${filename} by ${textField(form, 'model')}: ${content.toString('hex')}` })
}

const speechRequest = z.strictObject({
  model: z.string(),
  input: z.string().max(4096),
  voice: z.string(),
  response_format: z.enum(['mp3', 'opus', 'aac', 'flac', 'wav', 'pcm']).optional(),
})

export const speak = (call: Call): Answer => {
  const { input } = jsonBody(speechRequest, call)
  const pieces = [...input].map((_, i) => noise(4000 + i))
  return bytes('audio/mpeg', pieces)
}

const embeddingRequest = z.strictObject({
  model: z.string(),
  input: z.union([z.string().min(1), z.array(z.string()).min(1), z.array(z.int()).min(1)]),
  encoding_format: z.enum(['float', 'base64']).optional(),
  dimensions: z.int().min(1).optional(),
  user: z.string().optional(),
})

const vectorOf = (text: unknown, dimensions: number): Float32Array =>
  Float32Array.from({ length: dimensions }, (_, i) =>
    Math.fround(Math.sin(i + String(text).length))
  )

export const embed = (call: Call): Answer => {
  const { model, input, encoding_format: format, dimensions = 8 } = jsonBody(embeddingRequest, call)
  const data = [input].flat().map((text, index) => {
    const vector = vectorOf(text, dimensions)
    const embedding =
      format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector]
    return { object: 'embedding', index, embedding }
  })
  return json({ object: 'list', data, model, usage: { prompt_tokens: 4, total_tokens: 4 } })
}

const moderationRequest = z.strictObject({
  model: z.string().optional(),
  input: z.union([z.string(), z.array(z.string())]),
})

export const moderate = (call: Call): Answer => {
  const { model = 'omni-moderation-latest', input } = jsonBody(moderationRequest, call)
  const results = [input].flat().map((text) => ({
    flagged: text.includes('kill'),
    categories: { violence: text.includes('kill') },
    category_scores: { violence: text.includes('kill') ? 0.9 : 0.001 },
    category_applied_input_types: { violence: ['text'] },
  }))
  return json({ id: 'modr-mock', model, results })
}
