/** Makes the route of the fuzzer by the whole loop: traffic, detection, training with the fake engine, the proof, an approval. */
import { setTimeout as delay } from 'node:timers/promises'
import { untilState } from '../../test/kit/process/internalizations.ts'
import type { ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import { AUTHORIZATION, CHAT_PATH } from './cases.ts'
import type { Dice } from './dice.ts'
import { requestOf } from './orders.ts'

const REQUESTS = 400
const AT_ONCE = 10
const WAIT_MS = 180_000

/** @returns status and route of the answer */
const ask = async (proxy: ProxyProcess, dice: Dice): Promise<string> => {
  const response = await fetch(proxy.baseUrl + CHAT_PATH, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: AUTHORIZATION },
    body: JSON.stringify(requestOf(dice)),
  })
  await response.arrayBuffer()
  return `${response.status} ${response.headers.get('x-promptintern-route')}`
}

/** @throws Error where no route goes live */
export const goLive = async (proxy: ProxyProcess, dice: Dice): Promise<void> => {
  for (let sent = 0; sent < REQUESTS; sent += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, () => ask(proxy, dice)))
  const { id } = await untilState(proxy, 'approval', WAIT_MS)
  await proxy.admin(`/internalizations/${id}/approve`, { method: 'POST' })
  const deadline = Date.now() + WAIT_MS
  while ((await ask(proxy, dice)) !== '200 answered') {
    if (Date.now() > deadline) throw new Error(`no lora answered within ${WAIT_MS} ms`)
    await delay(200)
  }
}
