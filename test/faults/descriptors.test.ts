/** A process that has no file descriptor left cannot start another one, and goes on. */
import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { fromRoot } from '../kit/process/from-root.ts'

/** Prints the result of a command for which no descriptor was left. */
const withoutDescriptors = (imports: string, run: string): string => `
import { closeSync, openSync } from 'node:fs'
${imports}
const opened = []
try {
  for (;;) opened.push(openSync('/dev/null', 'r'))
} catch {}
const running = ${run}
const result = await running
for (const each of opened) closeSync(each)
console.log(JSON.stringify(result))
`

const resultOf = (imports: string, run: string): unknown => {
  const script = withoutDescriptors(imports, run)
  const { stdout, stderr } = spawnSync(
    'sh',
    [
      '-c',
      'ulimit -n 128 && exec "$0" "$@"',
      process.execPath,
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      script,
    ],
    { cwd: fromRoot('.'), encoding: 'utf8' }
  )
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

it('without a file descriptor a checker is not started, and says so', () => {
  const result = resultOf(
    `import { runBounded } from './src/check/checker.ts'`,
    `runBounded({ command: 'true', env: process.env, limitMs: 10_000, stdin: '' })`
  )
  expect(result).toEqual({ exitCode: null, endedBy: 'start', stdout: '' })
})

const TRAINED = `{ signal: new AbortController().signal, onMessage: () => {}, onProgress: () => {} }`

it('without a file descriptor a trainer is not started, and may be later', () => {
  const result = resultOf(
    `import { createTraining } from './adapters/gpu/train-command.ts'
    const trainer = { command: null, python: 'true', script: 'train.py' }`,
    `createTraining({ ...trainer, env: process.env, log: () => {} })(
      { file: 'task.json', identity: 'one' }, ${TRAINED}
    ).catch(({ code, message }) => ({ code, message }))`
  )
  expect(result).toMatchObject({
    code: 'engine-unavailable',
    message: expect.stringMatching(/EMFILE\) after step 0, 3 times/),
  })
})

it('without a file descriptor a server of the GPU is not started, and says so', () => {
  const result = resultOf(
    `import { LeashedChild } from './adapters/gpu/leashed-child.ts'
    const end = async (child) => ({ end: await child.ended, hasEnded: child.hasEnded })`,
    `end(new LeashedChild(['true'], process.env, () => {}))`
  )
  expect(result).toEqual({ end: expect.stringContaining('EMFILE'), hasEnded: true })
})
