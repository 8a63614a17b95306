import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { listen as hostEngine } from '../../adapters/contract/host.ts'
import { listen } from '../../src/server/http-server.ts'

/** Whether a class is the platform's, whatever else ran in this process before. */
const isBuiltIn = (type: unknown): boolean => Object.getPrototypeOf(type) === Function.prototype

it('a server leaves the global Request and Response as they are: answers made before stay known', async () => {
  const engine = await hostEngine(new Hono())
  const { server } = await listen(new Hono(), { port: 0, host: '127.0.0.1' }, { fault: () => {} })
  await engine.close()
  server.close()
  expect([isBuiltIn(Request), isBuiltIn(Response)]).toEqual([true, true])
})
