/** Kept responses in memory. */
import type { KeptResponse, KeptResponses } from '../../../src/core/log/kept-response.ts'

export const rememberedResponses = (): KeptResponses => {
  const all = new Map<string, KeptResponse>()
  const of = (id: string, tenant: string): KeptResponse | null => {
    const kept = all.get(id)
    return kept?.tenant === tenant ? kept : null
  }
  return {
    put: async (kept) => void all.set(kept.id, kept),
    get: async (id, tenant) => of(id, tenant),
    remove: async (id, tenant) => of(id, tenant) !== null && all.delete(id),
  }
}
