import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { expect, it } from 'vitest'
import { ClientConnection, type ConnectionOwner } from '../../src/http1/client-connection.ts'
import { Scratch } from '../../src/http1/scratch.ts'
import { Recorder } from './recorder.ts'

/** A socket that takes no second write before the first is released, as one does whose peer is slow. */
const slowSocket = () => {
  const written: Buffer[] = []
  const release: (() => void)[] = []
  const duplex = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk)
      release.push(done)
    },
  })
  return { socket: duplex as unknown as Socket, written, release: () => release.shift()?.() }
}

it('leaves the memory of a request that is not yet sent alone', () => {
  const owner: ConnectionOwner = {
    ticks: 0,
    scratch: new Scratch(),
    released: () => {},
    closed: () => {},
  }
  const limits = { connectTicks: 1, idleTicks: 1, maxHeadBytes: 1000 }
  const send = (body: string) => {
    const slow = slowSocket()
    const exchange = {
      head: Buffer.from('head:'),
      body: Buffer.from(body),
      handler: new Recorder(),
    }
    const connector = { open: () => slow.socket, readyEvent: 'connect' as const }
    const connection = new ClientConnection(connector, exchange, owner, limits)
    slow.socket.emit('connect')
    expect(connection.isOpen).toBe(true)
    return slow
  }
  const [first, second] = [send('first'), send('other')]
  expect([first, second].map(({ written }) => written.map(String))).toEqual([
    ['head:content-length: 5\r\n\r\nfirst'],
    ['head:content-length: 5\r\n\r\nother'],
  ])
  for (const { release } of [first, second]) release()
})
