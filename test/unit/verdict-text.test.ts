import { describe, expect, it } from 'vitest'
import { verdictText } from '../../src/cli/verdict-text.ts'
import { populationLines } from '../../src/views/say-population.ts'
import { decide } from '../../src/core/gate/gate.ts'
import { exampleApproved } from '../kit/records/examples.ts'
import { heldOutRow } from '../kit/records/held-out-row.ts'

const verdict = decide({
  arms: [
    {
      arm: 'query-only',
      statistic: 'sum',
      rows: Array.from({ length: 200 }, (_, i) =>
        heldOutRow(i, {
          agrees: i !== 197,
          logprobSum: -i / 1000,
          logprobMin: -i / 1000,
          deferred: i % 10 === 0 ? 'tool-calls' : null,
          isUnseen: i % 2 === 1,
          slices: [`plan=${i % 2 === 0 ? 'free' : 'pro'}`],
        })
      ),
    },
  ],
  responseType: 'label',
  margin: 0.05,
  burstMs: 0,
})

const ROW = exampleApproved()

describe('populationLines', () => {
  it('says what a head does not read, where there is something', () => {
    const { population } = exampleApproved().plan!
    expect(populationLines(population)).toEqual([
      '4 requests of the log in 4 conversations; the upstream answered them with: 4 text (100.0 %).',
    ])
    expect(populationLines({ ...population, cutByHead: { rows: 3, tokens: 256 } })).toContain(
      'A label head reads 256 tokens, and 3 training rows are longer.'
    )
  })
})

describe('verdictText', () => {
  it('says how often which fields disagree, where answers are JSON', () => {
    const fields = {
      rows: 180,
      answered: 150,
      fields: [{ path: 'order.id\u202E', rows: 12, answered: 3 }],
      others: 2,
    }
    const text = verdictText(ROW, { ...verdict, fields })
    expect(text).toMatch(/order\.id\\u202e +12 +6\.7 % +3/)
    expect(text).toContain('2 further fields disagree')
    expect(verdictText(ROW, verdict)).not.toContain('Disagree')
  })

  it('shows the winner with both samples and its slices', () => {
    const lines = verdictText(ROW, verdict).split('\n')
    expect(lines[0]).toContain('promote')
    expect(lines.find((line) => line.startsWith('query-only *'))).toContain('90.0 %')
    expect(lines.find((line) => line.startsWith('traffic'))).toMatch(/200 +180 +180 +99\.4 %/)
    expect(lines.find((line) => line.startsWith('unseen questions'))).toMatch(
      /100 +100 +100 +99\.0 %/
    )
    expect(lines.find((line) => line.startsWith('plan=pro'))).toMatch(
      /100 +99\.0 %.*keeps the promise/
    )
  })

  it('says what the answers were compared with', () => {
    expect(verdictText(ROW, verdict)).toContain('The answers are compared with those of the log.')
    const change = { rows: 300, changed: 2, noisy: 1, pValue: 0.2, isChanged: false }
    expect(verdictText(ROW, { ...verdict, change, upstreamAgreement: 0.97 })).toContain(
      'the upstream gave the same answer twice in 97.0 % of the cases that would be answered. For 2 requests, both new answers agree and differ from the logged one.'
    )
  })
})
