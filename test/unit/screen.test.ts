import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { openScreen } from '../../src/cli/output.ts'

const CURSOR_CODE = new RegExp(`${String.fromCharCode(27)}\\[[\\d;?]*[A-Za-z]`, 'g')

/** A terminal of 80 columns that keeps what is written to it. */
const createTerminal = () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150))

it('keeps log lines and bars apart on a terminal', async () => {
  const { stream, text } = createTerminal()
  const { logger, progress } = openScreen('info', stream)
  logger.info('before the bar')
  progress.update('stage 1', 1, 10)
  await pause()
  logger.warn({ rows: 7 }, 'beside the bar')
  progress.update('stage 1', 5, 10)
  await pause()
  progress.stop()
  logger.info('after the bar')
  await pause()
  const lines = text()
    .replaceAll(CURSOR_CODE, '\n')
    .split(/[\r\n]+/)
  const logged = lines
    .filter((line) => line.includes('{'))
    .map((line) => JSON.parse(line) as object)
  expect(logged).toMatchObject([
    { msg: 'before the bar' },
    { msg: 'beside the bar', rows: 7 },
    { msg: 'after the bar' },
  ])
  expect(lines.some((line) => line.startsWith('stage 1'))).toBe(true)
})
