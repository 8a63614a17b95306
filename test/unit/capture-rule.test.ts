import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { compileCaptureRule } from '../../src/core/log/selection.ts'

const A = 'a'.repeat(32)
const B = 'b'.repeat(32)

const capturedOf = (env: Record<string, string>, random = () => 0.5): string[] =>
  [A, B].filter(compileCaptureRule(parseConfig(env).capture, random))

describe('the capture rule', () => {
  it('accepts all tenants by default', () => {
    expect(capturedOf({})).toEqual([A, B])
  })

  it('accepts only listed tenants, and never an excepted one', () => {
    expect(capturedOf({ CAPTURE_TENANTS: A })).toEqual([A])
    expect(capturedOf({ CAPTURE_TENANTS: ` -${A}, ` })).toEqual([B])
    expect(capturedOf({ CAPTURE_TENANTS: `${A},${B},-${B}` })).toEqual([A])
  })

  it('samples the accepted exchanges', () => {
    expect(capturedOf({ CAPTURE_SHARE: '0.4' })).toEqual([])
    expect(capturedOf({ CAPTURE_TENANTS: A, CAPTURE_SHARE: '0.4' })).toEqual([])
    expect(capturedOf({ CAPTURE_TENANTS: A, CAPTURE_SHARE: '0.6' })).toEqual([A])
  })

  it('refuses a value that is not a tenant', () => {
    expect(() => parseConfig({ CAPTURE_TENANTS: 'sk-live-key' })).toThrow(/CAPTURE_TENANTS/)
  })
})
