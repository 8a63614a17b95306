import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { openScreen } from '../../src/cli/output.ts'

const CURSOR_CODE = new RegExp(`${String.fromCharCode(27)}\\[[\\d;?]*[A-Za-z]`, 'g')

/** Keeps what is written to it. */
const keeping = (properties: object) => {
  const stream = Object.assign(new PassThrough(), properties)
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150))

it('keeps log lines and bars apart on a terminal', async () => {
  const { stream, text } = keeping({ isTTY: true, columns: 80 })
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
  expect(lines.filter((line) => line.includes(' the bar'))).toEqual([
    expect.stringMatching(/^\d\d:\d\d:\d\dZ info {2}before the bar$/),
    expect.stringMatching(/^\d\d:\d\d:\d\dZ warn {2}beside the bar rows=7$/),
    expect.stringMatching(/^\d\d:\d\d:\d\dZ info {2}after the bar$/),
  ])
  expect(lines.some((line) => line.startsWith('stage 1'))).toBe(true)
})

it('writes at most a plain line for each tenth and each ten seconds on a pipe', () => {
  const { stream, text } = keeping({})
  let seconds = 0
  const { progress } = openScreen('info', stream, () => 1000 * seconds)
  for (seconds = 0; seconds < 35; seconds++) {
    progress.update('records read', seconds, 100)
    progress.update('held-out answers', seconds, 40)
  }
  for (; seconds < 80; seconds++) progress.update('training', seconds, 1000, 'loss 0.5')
  expect(text().split('\n')).toEqual([
    'records read: 10 %',
    'records read: 20 %',
    'records read: 30 %',
    'training: 4 %, loss 0.5',
    '',
  ])
  const quiet = keeping({})
  openScreen('warn', quiet.stream, () => 1000 * seconds++).progress.update('quiet', 1, 2)
  expect(quiet.text()).toBe('')
})
