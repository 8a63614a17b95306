/** `promptintern scan` of files that are damaged, mixed or of another kind: every line is read or named. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { ScanReport } from '../../src/core/scan/report.ts'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import { answered, timedLine } from '../kit/traffic/scan-log.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()

type Printed = ScanReport & {
  log: { unread: { count: number; first: { line: number; reason: string }[] } }
  error?: { message: string }
}

const command = await builtCommand()

const scan = (content: string | Buffer, ...words: string[]) => {
  const path = join(folder, 'log.jsonl')
  writeFileSync(path, content)
  const env = { LOG_LEVEL: 'error', DATA_DIR: join(folder, 'no-data') }
  return endHere(command, env, ['scan', path, ...words])
}

/** Answers for which no head is trained. */
const EXCHANGES = answered(200, (n) => JSON.stringify({ order: n }))
const LINES = EXCHANGES.map(timedLine)
const [HALF, REST] = [LINES.slice(0, 100), LINES.slice(100)]
const LONG = '{"messages":"x"}'.padEnd(50_000_000, ' ')
/** No byte of it is a line end. */
const NOISE = Buffer.from(Array.from({ length: 4096 }, (_, n) => 11 + ((n * 7919) % 240)))
const NOT_JSON = 'it is not valid JSON'

describe('scan of a file', () => {
  it.each<[string, string | Buffer, number, { line: number; reason: string }[]]>([
    ['empty lines', ['', ...HALF, '', '  ', ...REST, '', ''].join('\n'), 200, []],
    ['lines that end with CRLF', `${LINES.join('\r\n')}\r\n`, 200, []],
    ['a byte order mark', `\uFEFF${LINES.join('\n')}`, 200, []],
    [
      'a last line that is torn',
      LINES.join('\n').slice(0, -30),
      199,
      [{ line: 200, reason: NOT_JSON }],
    ],
    [
      'a line of 50 MB',
      [...HALF, LONG, ...REST].join('\n'),
      200,
      [{ line: 101, reason: 'it is longer than 33554432 bytes (docs/scan.md: how to split it)' }],
    ],
    [
      'zeros and noise in it, as after a crash',
      Buffer.concat([
        Buffer.from(`${HALF.join('\n')}\n`),
        Buffer.concat([Buffer.alloc(4096), Buffer.from('\n'), NOISE, Buffer.from('\n')]),
        Buffer.from(REST.join('\n')),
      ]),
      200,
      [
        { line: 101, reason: NOT_JSON },
        { line: 102, reason: NOT_JSON },
      ],
    ],
  ])('with %s reads every other line, and names those', async (_, content, read, first) => {
    const { exchanges, others, templates, withoutBody, log } = JSON.parse(
      (await scan(content, '--json')).stdout
    ) as Printed
    expect([exchanges, others, withoutBody]).toEqual([read, 0, 0])
    expect(templates.map(({ requests }) => requests)).toEqual([read])
    expect(log.unread).toEqual({ count: first.length, first })
  })

  it('says on the terminal and on the page how many lines were not read, and names five', async () => {
    const html = join(folder, 'out.html')
    const bad = ['no JSON', '{"messages": "hi"}', '', ...Array.from({ length: 9 }, () => '[]')]
    const { code, stdout, stderr } = await scan([...LINES, ...bad].join('\n'), '--html', html)
    const told = '11 lines of the file were not read'
    expect([code, stdout.replaceAll(/\s+/g, ' ')]).toEqual([0, expect.stringContaining(told)])
    expect(readFileSync(html, 'utf8')).toContain(told)
    expect(stderr).toContain(`line 201 is left out: ${NOT_JSON}`)
    expect(stderr).toContain('line 202 is left out: its messages are not a list of objects')
    expect(stderr).toContain('6 more lines are left out')
  })

  it.each([
    ['noise alone', NOISE, 'has no line that is a chat exchange'],
    ['what gzip has packed', gzipSync(LINES.join('\n')), 'is packed by gzip: unpack it first'],
    [
      'UTF-16, as PowerShell writes it',
      Buffer.from(`\uFEFF${LINES.join('\n')}`, 'utf16le'),
      'is in UTF-16: convert it to UTF-8 first',
    ],
  ])('of %s ends with a message', async (_, content, message) => {
    const { code, stdout, stderr } = await scan(content, '--json')
    expect(code).toBe(2)
    expect((JSON.parse(stdout) as Printed).error!.message).toContain(message)
    expect(stderr).not.toContain('    at ')
  })
})
