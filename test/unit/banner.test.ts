/** What a server says first to a person at a terminal. */
import { expect, it } from 'vitest'
import { bannerText } from '../../src/server/banner.ts'
import { parseConfig } from '../../src/config/config.ts'

const linesOf = (env: Record<string, string>, port = 8787): string[] =>
  bannerText(parseConfig(env), port).split('\n')

it('names the addresses of clients and people', () => {
  expect(linesOf({}, 1234)).toEqual([
    'promptintern listens.',
    '  clients   base URL http://127.0.0.1:1234/v1, which forwards to https://api.openai.com/v1',
    '  people    http://127.0.0.1:1234/admin, with the token in data/secrets.json',
    '  learning  none: prompts are detected, but nothing is trained (ENGINE=onnx ENCODER_PATH=… trains label heads)',
    '',
  ])
})

it('says loudly that constants are changed, and how a webhook is told', () => {
  const lines = linesOf({
    PROMPTINTERN_CONSTANTS: '{"holdoutRows":60}',
    WEBHOOK_URL: 'https://hook.example',
  })
  expect(lines[4]).toBe('  webhook   unsigned messages for Slack, as there is no WEBHOOK_SECRET')
  expect(lines[5]).toContain('CHANGED   {"holdoutRows":60}: constants are changed for development')
})

it.each([
  ['0.0.0.0', 'http://127.0.0.1:8787/admin, with ADMIN_TOKEN'],
  ['::1', 'http://[::1]:8787/admin, with ADMIN_TOKEN'],
])('on %s people use an address that a browser takes', (HOST, words) => {
  expect(linesOf({ HOST, ADMIN_TOKEN: 'secret' })[2]).toBe(`  people    ${words}`)
})

it.each([
  [{ ENGINE: 'onnx', ENCODER_PATH: 'minilm' }, 'label heads'],
  [{ ENGINE: 'onnx', MODEL_PATH: 'smollm2', ENCODER_PATH: 'minilm' }, 'label heads and loras'],
  [{ ENGINE: 'http', ENGINE_URL: 'http://gpu:8000/v1' }, 'http://gpu:8000/v1'],
])('says what is learned: %j', (env, words) => {
  expect(linesOf(env)[3]).toBe(`  learning  ${words}`)
})
