/** Tenants whose requests the upstream has answered. A credential that somebody made up has no answers. */
import { LRUCache } from 'lru-cache'
import type { RecordHead } from '../../core/log/record.ts'
import { isSuccess } from '../../core/http-status.ts'

/** An entry takes about 200 bytes. */
const MAX_TENANTS = 10_000

export class AnsweredTenants {
  private readonly tenants = new LRUCache<string, true>({ max: MAX_TENANTS })

  note({ tenant, status }: Pick<RecordHead, 'tenant' | 'status'>): void {
    if (isSuccess(status)) this.tenants.set(tenant, true)
  }

  has(tenant: string): boolean {
    return this.tenants.has(tenant)
  }
}
