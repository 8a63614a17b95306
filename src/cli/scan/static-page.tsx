/** A page to send to a colleague, with the style of `/admin`: it loads nothing, runs no script, and forbids every request. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { packageFolder } from '../../package-folder.ts'

const STYLE = 'src/admin/page/assets/page.css'

/** Forbids every request, so that a mistake on the page could not send anything. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'"

interface StaticPageProps {
  title: string
  /** the conclusion, in a sentence or two */
  lead: Child
  children?: Child
}

const StaticPage = ({ title, lead, children }: StaticPageProps) => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta http-equiv="Content-Security-Policy" content={POLICY} />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>{title}</title>
      <style>{raw(readFileSync(join(packageFolder(), STYLE), 'utf8'))}</style>
    </head>
    <body>
      <main>
        <h1>{title} · promptintern</h1>
        <p class="lead">{lead}</p>
        {children}
      </main>
    </body>
  </html>
)

/** @returns a whole HTML document */
export const staticPage = (props: StaticPageProps): string =>
  `<!doctype html>\n${(<StaticPage {...props} />).toString()}\n`
