/** What the plain path writes is what Node's server would write, byte by byte. */
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Outgoing } from '../../src/http1/outgoing.ts'
import { servePlain } from '../../src/http1/plain-server.ts'

type Script = (outgoing: Outgoing) => void

const LIMITS = { keepAliveMs: 75_000, headMs: 60_000, requestMs: 60_000 }
const PATH = '/plain'

let script: Script
let [byNode, byPlain]: Server[] = []

const listening = async (server: Server): Promise<Server> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

/** Fails a test that meant to look at the plain path. */
const notPlain = (): never => {
  throw new Error('the plain path did not take the request')
}

const takes = () => ({
  begin: (_body: Buffer, answer: Outgoing) => script(answer),
  abandon: () => {},
})

beforeAll(async () => {
  const options = { keepAliveTimeout: LIMITS.keepAliveMs }
  byNode = await listening(
    createServer(options, (incoming, outgoing) => {
      incoming.resume()
      script(outgoing)
    })
  )
  const server = createServer(options, notPlain)
  servePlain(server, { path: PATH, takes }, { limits: LIMITS, checkMs: 1000, begun: () => {} })
  byPlain = await listening(server)
})
afterAll(() => {
  byNode!.close()
  byPlain!.close()
})

/** Everything until the connection closes or nothing has come for a moment. */
const answerOf = (server: Server, connection: string): Promise<string> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const quiet = setTimeout(() => socket.destroy(), 100)
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      quiet.refresh()
    })
    socket.on('close', () => {
      clearTimeout(quiet)
      const text = Buffer.concat(chunks).toString('latin1')
      resolve(text.replace(/^date: .*$/im, 'Date: now'))
    })
    const lines = [`POST ${PATH} HTTP/1.1`, 'Host: a', 'Content-Length: 2', connection]
    socket.write(`${lines.join('\r\n')}\r\n\r\n{}`)
  })

const SCRIPTS: Record<string, Script> = {
  'of known length at once': (outgoing) => {
    outgoing.writeHead(200, ['Content-Type', 'text/plain', 'Content-Length', '5'])
    outgoing.end('hello')
  },
  'of known length in pieces': (outgoing) => {
    outgoing.writeHead(201, 'Made', ['content-length', '5'])
    outgoing.write('he')
    outgoing.write(Buffer.from('llo'))
    outgoing.end()
  },
  'of unknown length': (outgoing) => {
    outgoing.writeHead(200, ['X-A', '1', 'X-A', '2'])
    outgoing.write('one')
    outgoing.write('')
    outgoing.write('t\u00e9o')
    outgoing.end('three')
  },
  'with its head before its body': (outgoing) => {
    outgoing.writeHead(200, ['X-A', '1'])
    outgoing.flushHeaders()
    setImmediate(() => outgoing.end('late'))
  },
  'held together': (outgoing) => {
    outgoing.cork()
    outgoing.writeHead(200, ['X-A', '1'])
    outgoing.write('one')
    setImmediate(() => {
      outgoing.uncork()
      outgoing.end()
    })
  },
  'with trailers': (outgoing) => {
    outgoing.writeHead(200, ['Trailer', 'X-T'])
    outgoing.write('one')
    outgoing.addTrailers([['X-T', 'end']])
    outgoing.end()
  },
  'without a body': (outgoing) => {
    outgoing.writeHead(204, ['X-A', '1'])
    outgoing.end()
  },
  'not modified': (outgoing) => {
    outgoing.writeHead(304, ['Content-Length', '7'])
    outgoing.end()
  },
  'that is empty': (outgoing) => {
    outgoing.writeHead(200, ['X-A', '1'])
    outgoing.end()
  },
  'with a date of its own': (outgoing) => {
    outgoing.writeHead(200, ['dAtE', 'long ago', 'Content-Length', '0'])
    outgoing.end()
  },
  'without any date': (outgoing) => {
    outgoing.sendDate = false
    outgoing.writeHead(200, ['Content-Length', '0'])
    outgoing.end()
  },
  'that is cut': (outgoing) => {
    outgoing.writeHead(200, ['Content-Length', '10'])
    outgoing.write('half')
    setTimeout(() => outgoing.destroy(), 20)
  },
}

describe('a plain answer', () => {
  for (const [name, run] of Object.entries(SCRIPTS)) {
    it.each(['Connection: keep-alive', 'Connection: close'])(`${name}, %s`, async (connection) => {
      script = run
      const expected = await answerOf(byNode!, connection)
      expect(expected).toMatch(/^HTTP\/1.1 \d/)
      expect(await answerOf(byPlain!, connection)).toBe(expected)
    })
  }

  it.each([
    ['a value', ['X-A', '1\r\nX-B: 2']],
    ['a name', ['X\r\nX-B', '2']],
  ])('has no line end in %s', async (_, headers) => {
    let thrown: unknown
    script = (outgoing) => {
      try {
        outgoing.writeHead(200, headers)
      } catch (error) {
        thrown = error
      }
      outgoing.destroy()
    }
    expect(await answerOf(byPlain!, 'Connection: close')).toBe('')
    expect(thrown).toBeInstanceOf(TypeError)
  })
})
