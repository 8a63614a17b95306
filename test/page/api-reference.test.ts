/** The admin API described in the browser. */
import { describe, expect, it } from 'vitest'
import { usePage } from './harness.ts'

const page = usePage()

describe('the reference of the API', () => {
  it('lists each operation with what it does and takes', async () => {
    const markup = await page.view('/admin/api-reference')
    const row = (path: string) =>
      new RegExp(`<tr><th scope="row">((?!<tr>).)*<code>${path}</code>.*?</tr>`).exec(markup)![0]
    expect(row('/admin/api/savings')).toContain('What was spent and saved')
    expect(row('/admin/api/records')).toContain('<code>limit</code>')
    expect(row('/admin/api/templates/{version}/label')).toContain('<code>label</code>')
    expect(markup).not.toMatch(/<td><\/td>\s*<td>/)
  })

  it('has the whole description as a file', async () => {
    const text = await page.view('/admin/api-reference/openapi.json')
    const { openapi, paths } = JSON.parse(text) as { openapi: string; paths: object }
    expect(openapi).toBe('3.1.0')
    expect(Object.keys(paths).length).toBeGreaterThan(20)
  })
})
