/** A server whose ENCODER_PATH is a folder that no encoder can be loaded from: what its operator reads. */
import { mkdtempSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { freePort } from '../kit/process/free-port.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { endOfCli, type Ended } from '../kit/process/built.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const root = sharedFolder()

interface LogLine {
  level: number
  part?: string
  msg: string
}
const FATAL = 60

const serve = async (encoderPath: string): Promise<Ended> => {
  const env = {
    DATA_DIR: mkdtempSync(join(root, 'data-')),
    PORT: String(await freePort()),
    UPSTREAM_BASE_URL: 'http://127.0.0.1:9/v1',
    ENGINE: 'onnx',
    MODEL_PATH: join(import.meta.dirname, '../../models/tiny'),
    ENCODER_PATH: encoderPath,
  }
  return endOfCli(env, ['serve'])
}

/** The file at fault, the reason, and what to do. */
type Bad = [what: string, damage: (folder: string) => void, file: string, RegExp, RegExp]

/** test/onnx/encoder.test.ts has all reasons. */
const BAD: Bad[] = [
  [
    'weights that are cut off',
    (folder) => truncateSync(join(folder, 'model.safetensors'), 100_000),
    'model.safetensors',
    /ends inside tensor/,
    /download it again/,
  ],
  [
    'a list of modules with a hole',
    (folder) => writeFileSync(join(folder, 'modules.json'), '[null]'),
    'modules.json',
    /has a module undefined; supported are Transformer, Pooling, Normalize/,
    /use another encoder/,
  ],
]

describe('a server with a bad ENCODER_PATH', () => {
  it.each(BAD)(
    'ends, and names file, reason and what to do: %s',
    async (what, damage, file, reason, advice) => {
      const folder = join(root, what.replaceAll(' ', '-'))
      writeTinyBert(folder, { seed: 1 })
      damage(folder)
      const { code, stderr } = await serve(folder)
      expect(code).toBe(2)
      // server and engine write one form
      const lines = stderr
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as LogLine)
      const fatal = lines.filter(({ level }) => level === FATAL).map(({ msg }) => msg)
      expect(fatal).toEqual([expect.stringContaining(join(folder, file))])
      expect(fatal[0]).toMatch(reason)
      expect(fatal[0]).toMatch(advice)
      expect(stderr).not.toMatch(/\bat .+:\d+:\d+/)
      // the reason is in the engine's own line too, and no word of it is taken for a secret
      expect(lines.filter(({ part }) => part === 'engine').map(({ msg }) => msg)).toEqual([
        'the engine cannot start',
      ])
      expect(stderr).not.toContain('[SECRET]')
    },
    60_000
  )
})
