/** Answers of loras by the Responses API, which their callers may ask for again or continue. */

export interface KeptResponse {
  /** of its record */
  id: string
  tenant: string
  /** milliseconds since the epoch */
  at: number
  /** body of the request, JSON, with its whole input */
  request: string
  /** body of the answer, JSON */
  response: string
}

/**
 * As many as a tenant may have: of more than 64 MiB the oldest are dropped. They are pruned with the
 * log's bodies and forgotten with its records.
 */
export interface KeptResponses {
  put(kept: KeptResponse): Promise<void>
  /** @returns null also for one of another tenant */
  get(id: string, tenant: string): Promise<KeptResponse | null>
  /** @returns whether the tenant had it */
  remove(id: string, tenant: string): Promise<boolean>
}
