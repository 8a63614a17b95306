/** What a channel reads of an event. */
import { expect, it } from 'vitest'
import type { WebhookEvent } from '../../src/worker/webhook/event.ts'
import { slackBody } from '../../src/worker/webhook/post.ts'

const event = (changes: Partial<WebhookEvent['data']> = {}): WebhookEvent => ({
  id: 'a',
  at: 0,
  type: 'rollout.rolled_back',
  data: {
    template: '3f1c9a0012345678',
    tenant: 'tenant-a',
    internalization: '0b8f6f0e-7c1c-4c52-9a43-2f6f1d0f8a11',
    from: { state: 'live', share: 0.25 },
    to: { state: 'retired', share: null },
    by: 'worker',
    reason: null,
    evidence: null,
    proof: null,
    ...changes,
  },
})

const textOf = (given: WebhookEvent): string =>
  (JSON.parse(slackBody(given)) as { text: string }).text

it('is one message that names the template and what happened', () => {
  expect(textOf(event())).toBe(
    'Template `3f1c9a00` was rolled back: the upstream answers its requests\n' +
      'internalization `0b8f6f0e`, by worker'
  )
})

it('has the stage, the cause and the figures of the proof, and no syntax of Slack from a text', () => {
  const proof = { coverage: 0.721, agreementAnswered: 0.98, agreementAnsweredBound: 0.954 }
  const says = '21 of 160 < 5 % & <!channel>'
  const reason = { code: 'rolled-back', figures: {}, says } as const
  const text = textOf({
    ...event({ to: { state: 'live', share: 0.05 }, reason, proof }),
    type: 'rollout.stage',
  })
  expect(text.split('\n').slice(1, 4)).toEqual([
    'stage: canary 5 %',
    'why: 21 of 160 &lt; 5 % &amp; &lt;!channel&gt;',
    'proof: answers 72.1 % of the requests; at least 95.4 % of these answers agree with the upstream',
  ])
})

it('calls nobody by the name that a person signed in with', () => {
  expect(textOf(event({ by: 'admin (@channel)' }))).toMatch(/by admin \(@\u200bchannel\)$/)
})
