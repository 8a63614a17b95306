import { expect, it } from 'vitest'
import { microsByPart, type CpuProfile } from '../proxy/profile.ts'

const frame = (functionName: string, url = '') => ({ functionName, url })

/** (root) → a server's function → a check of credentials → a function of Node; and what belongs to nobody. */
const PROFILE: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 5, 6, 7] },
    { id: 2, callFrame: frame('answer', 'file:///p/src/server/http-server.js'), children: [3] },
    { id: 3, callFrame: frame('of', 'file:///p/src/proxy/access/credentials.js'), children: [4] },
    { id: 4, callFrame: frame('toString', 'node:buffer') },
    { id: 5, callFrame: frame('(idle)') },
    { id: 6, callFrame: frame('(garbage collector)') },
    { id: 7, callFrame: frame('processTicksAndRejections', 'node:internal') },
  ],
  startTime: 1_000,
  samples: [2, 3, 4, 5, 6, 7, 4],
  timeDeltas: [10, 20, 30, 40, 50, 60, 70],
}

it('gives each sample to the part whose file is innermost, within the window', () => {
  const sums = microsByPart(PROFILE, { from: 1_000, to: 1_210 })
  expect(Object.fromEntries(sums)).toEqual({ receive: 10, credentials: 50, garbage: 50, node: 60 })
})
