/** The operator's checker, hostile ones included: each ends within its limits, and gives a verdict or none. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { openChecker, parseReply } from '../../src/check/checker.ts'
import type { CheckedAnswers } from '../../src/worker/deps.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()

const ANSWERS: CheckedAnswers = {
  query: 'q',
  messages: [{ role: 'user', content: 'q' }],
  logged: 'a',
  answer: 'b',
}

const command = (setting: string, limitMs = 20_000) =>
  openChecker(
    { kind: 'command', setting, limitMs },
    {
      env: { PATH: process.env.PATH, CHECK_FOLDER: folder, UPSTREAM_API_KEY: 'sk-secret' },
      fetch,
    }
  )

/** A shell command that runs a script with this Node. */
const script = (name: string, content: string): string => {
  const path = join(folder, `${name}.cjs`)
  writeFileSync(path, content)
  return `"${process.execPath}" "${path}"`
}

const SAME = `console.log('{"verdict":"same"}')`

describe('a command', () => {
  it('gets both answers and the request, and no secret of the proxy', async () => {
    const setting = script(
      'reads',
      `const { writeFileSync, readFileSync } = require('fs')
       writeFileSync(process.env.CHECK_FOLDER + '/seen', readFileSync(0, 'utf8') + JSON.stringify(process.env))
       ${SAME}`
    )
    expect(await command(setting).ask(ANSWERS)).toBe('same')
    const seen = readFileSync(join(folder, 'seen'), 'utf8')
    expect(seen.startsWith(JSON.stringify(ANSWERS))).toBe(true)
    expect(seen).toContain('CHECK_FOLDER')
    expect(seen).not.toContain('sk-secret')
  })

  it.each([
    ['different', `echo '{"verdict":"different","why":"rows"}'`, 'different'],
    ['garbage', `echo '{"verdict":"same"} {"verdict":'`, 'none'],
    ['another verdict', `echo '{"verdict":"SAME"}'`, 'none'],
    ['nothing', 'exit 0', 'none'],
    ['a verdict and a failure', `echo '{"verdict":"same"}'; exit 3`, 'none'],
    ['a verdict before it is killed', `echo '{"verdict":"same"}'; kill -9 $$`, 'none'],
    ['a verdict without reading', `exec 0<&-; echo '{"verdict":"same"}'`, 'same'],
  ])('that writes %s', async (_name, setting, verdict) => {
    expect(await command(setting).ask(ANSWERS)).toBe(verdict)
  })

  it.each(['exit 75', '/nowhere/at/all', `"${folder}"`])(
    'that cannot answer is waited for: %s',
    async (setting) => {
      await expect(command(setting).ask(ANSWERS)).rejects.toMatchObject({
        code: 'upstream-unavailable',
      })
    }
  )

  it.each([
    ['loops for ever', 'while :; do :; done'],
    ['ignores SIGTERM', `trap '' TERM; while :; do sleep 1; done`],
    ['sleeps after its verdict', `echo '{"verdict":"same"}'; sleep 100`],
  ])('that %s ends at its limit', async (_name, setting) => {
    const begun = performance.now()
    expect(await command(setting, 500).ask(ANSWERS)).toBe('none')
    expect(performance.now() - begun).toBeLessThan(10_000)
  })

  it('that writes for ever ends at the limit of output', async () => {
    expect(await command('yes', 60_000).ask(ANSWERS)).toBe('none')
  })

  it('that leaves a child leaves none', async () => {
    const child = script(
      'child',
      `require('fs').writeFileSync(process.env.CHECK_FOLDER + '/pid', String(process.pid)); setInterval(() => {}, 1000)`
    )
    const pid = join(folder, 'pid')
    const setting = `${child} & while [ ! -s "${pid}" ]; do sleep 0.05; done; echo '{"verdict":"same"}'`
    expect(await command(setting).ask(ANSWERS)).toBe('same')
    const left = Number(readFileSync(pid, 'utf8'))
    for (let tries = 0; tries < 100 && isAlive(left); tries++) await sleep(20)
    expect(isAlive(left)).toBe(false)
  })

  it('is not asked about texts that are too long', async () => {
    expect(
      await command(`echo '{"verdict":"same"}'`).ask({ ...ANSWERS, answer: 'x'.repeat(1e6) })
    ).toBe('none')
  })

  it('has a digest of its setting', () => {
    expect(command('one').planned).toEqual(command('one').planned)
    expect(command('one').planned).not.toEqual(command('two').planned)
  })
})

/** A killed process stays as a zombie until its new parent has read its end. */
const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Asks an endpoint that answers each request so. @param status 0: it does not answer */
const ask = async (status: number, body: string, limitMs = 20_000) => {
  const bodies: string[] = []
  const server = createServer(async (request, response) => {
    bodies.push(`${request.method} ${await text(request)}`)
    if (status === 0) return
    response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(body)
  }).listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  const setting = `http://127.0.0.1:${(server.address() as AddressInfo).port}/check`
  const checker = openChecker({ kind: 'url', setting, limitMs }, { env: {}, fetch })
  try {
    return await checker.ask(ANSWERS)
  } finally {
    expect(bodies).toEqual([`POST ${JSON.stringify(ANSWERS)}`])
    server.closeAllConnections()
    server.close()
  }
}

describe('an endpoint', () => {
  it.each([
    [200, '{"verdict":"different"}', 'different'],
    [200, 'null', 'none'],
    [200, `{"verdict":"same","x":"${'y'.repeat(100_000)}"}`, 'none'],
    [400, '{"verdict":"same"}', 'none'],
  ])('that answers %s %.40s', async (status, body, verdict) => {
    expect(await ask(status, body)).toBe(verdict)
  })

  it.each([503, 429, 401, 302])('that answers %s is waited for', async (status) => {
    await expect(ask(status, '')).rejects.toMatchObject({ code: 'upstream-unavailable' })
  })

  it('that does not answer gives no verdict', async () => {
    expect(await ask(0, '', 300)).toBe('none')
  })

  it('that is not there is waited for', async () => {
    const checker = openChecker(
      { kind: 'url', setting: 'http://127.0.0.1:1/', limitMs: 5_000 },
      { env: {}, fetch }
    )
    await expect(checker.ask(ANSWERS)).rejects.toMatchObject({ code: 'upstream-unavailable' })
  })
})

it('reads one object with a verdict', () => {
  expect(
    ['{"verdict":"same"}', ' {"verdict":"different"}\n', '["same"]', '"same"', ''].map(parseReply)
  ).toEqual(['same', 'different', 'none', 'none', 'none'])
})
