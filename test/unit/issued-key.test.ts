import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  allowsModel,
  hashOfSecret,
  isSecret,
  isTenantLabel,
  SECRET_BYTES,
  secretOf,
  tenantOfLabel,
} from '../../src/core/keys/issued-key.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import { exampleKey } from '../kit/records/examples.ts'

describe('an issued key', () => {
  it('has a secret of pi- and 256 random bits, and no other text is a secret', () => {
    const secret = secretOf(randomBytes(SECRET_BYTES))
    expect(secret).toMatch(/^pi-[\w-]{43}$/)
    expect(isSecret(secret)).toBe(true)
    for (const text of ['', 'pi-', `${secret}x`, secret.slice(1), `x${secret}`, `${secret}\n`])
      expect(isSecret(text)).toBe(false)
  })

  it('is stored as its SHA-256', () => {
    expect(hashOfSecret('abc')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    )
  })

  it('has a tenant that differs from that of every forwarded credential', () => {
    const tenants = createTenants({ secret: 's', ttlMs: 1, maxEntries: 10, now: () => 0 })
    const { tenant: forwarded } = tenants.identify({ rawHeaders: ['authorization', 'Bearer sk-1'] })
    expect(forwarded).toMatch(/^[0-9a-f]{32}$/)
    expect(tenantOfLabel(forwarded)).not.toBe(forwarded)
    expect(tenantOfLabel('a')).not.toMatch(/^[0-9a-f]{32}$/)
    // line breaks separate the parts of a template's key
    for (const label of ['', 'a\nb', 'a b', 'x'.repeat(65)])
      expect(isTenantLabel(label)).toBe(false)
    expect(isTenantLabel('team-1.eu_west')).toBe(true)
  })

  it('allows models by name or by prefix', () => {
    const { limits } = exampleKey('a')
    expect(allowsModel(limits, 'anything')).toBe(true)
    const some = { ...limits, models: ['gpt-4o', 'o4*'] }
    expect(['gpt-4o', 'o4-mini', 'o4'].every((model) => allowsModel(some, model))).toBe(true)
    expect(['gpt-4o-mini', 'GPT-4o', '', 'o3'].some((model) => allowsModel(some, model))).toBe(
      false
    )
  })
})
