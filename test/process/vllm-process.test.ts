import { expect, it } from 'vitest'
import { VllmProcess } from '../../adapters/gpu/vllm/vllm-process.ts'

it('a vLLM that does not answer in time is not waited for', async () => {
  const vllm = new VllmProcess({
    command: ['sleep', '60'],
    env: process.env,
    startMs: 300,
    isHealthy: async () => false,
    beforeStart: () => undefined,
    log: () => undefined,
  })
  await expect(vllm.start()).rejects.toMatchObject({
    code: 'engine-unavailable',
    message: expect.stringMatching(/no answer within 0\.3 s/),
  })
  await vllm.close()
})
