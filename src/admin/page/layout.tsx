/** The frame of every view: head, navigation, and what the script of the page needs to know. */
import type { Child } from 'hono/jsx'
import { raw } from 'hono/html'
import type { Assets } from './assets.ts'
import { mayUse } from '../access/roles.ts'
import { BASE } from './env.ts'
import type { Session } from '../access/sessions.ts'
import { TOKEN_FIELD } from './parts/form.tsx'

/**
 * `htmx` evaluates no text, adds no style, and runs no script of a loaded view. It shows errors too: by default
 * a link or a form that fails would do nothing.
 */
const HTMX_CONFIG = JSON.stringify({
  allowEval: false,
  includeIndicatorStyles: false,
  allowScriptTags: false,
  selfRequestsOnly: true,
  // text of requests stays in no cache of the browser: going back loads the view
  historyCacheSize: 0,
  refreshOnHistoryMiss: true,
  responseHandling: [
    { code: '204', swap: false },
    { code: '...', swap: true },
  ],
})

export const SECTIONS = [
  { path: '', name: 'Overview' },
  { path: '/templates', name: 'Templates' },
  { path: '/records', name: 'Records' },
  { path: '/jobs', name: 'Jobs' },
  { path: '/keys', name: 'Keys' },
  { path: '/forget', name: 'Forget' },
] as const

export type SectionPath = (typeof SECTIONS)[number]['path']

const Head = ({ title, assets }: { title: string; assets: Assets }) => (
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="htmx-config" content={HTMX_CONFIG} />
    <title>{title} · promptintern</title>
    <link rel="icon" href={`${BASE}/${assets['icon.svg'].path}`} />
    <link rel="stylesheet" href={`${BASE}/${assets['uplot.css'].path}`} />
    <link rel="stylesheet" href={`${BASE}/${assets['page.css'].path}`} />
    <script src={`${BASE}/${assets['htmx.js'].path}`} defer />
    <script src={`${BASE}/${assets['uplot.js'].path}`} defer />
    <script src={`${BASE}/${assets['plots.js'].path}`} defer />
    <script src={`${BASE}/${assets['page.js'].path}`} defer />
  </head>
)

const SignOut = ({ session, formToken }: { session: Session; formToken: string }) => (
  <form method="post" action={`${BASE}/sign-out`} class="sign-out" hx-boost="false">
    <span>
      {session.name ?? 'signed in'}
      {session.role === 'read' && ' (read-only)'}
    </span>
    <input type="hidden" name={TOKEN_FIELD} value={formToken} />
    <button>Sign out</button>
  </form>
)

interface NavigationProps {
  current: SectionPath
  role: Session['role']
}

const Navigation = ({ current, role }: NavigationProps) => (
  <nav aria-label="Sections">
    <ul>
      {SECTIONS.filter(({ path }) => mayUse(role, 'GET', BASE + path)).map(({ path, name }) => (
        <li>
          <a href={`${BASE}${path}`} aria-current={path === current ? 'page' : undefined}>
            {name}
          </a>
        </li>
      ))}
    </ul>
  </nav>
)

export interface LayoutProps {
  title: string
  assets: Assets
  /** null: nobody is signed in, and there is no navigation */
  signedIn: {
    session: Session
    formToken: string
    section: SectionPath
    /** of the store, see `addLive` */
    revision: string
  } | null
  children?: Child
}

export const Layout = ({ title, assets, signedIn, children }: LayoutProps) => (
  <>
    {raw('<!DOCTYPE html>')}
    <html lang="en">
      <Head title={title} assets={assets} />
      <body hx-boost="true">
        <a class="skip" href="#main">
          Skip to content
        </a>
        <header>
          <strong>promptintern</strong>
          {signedIn !== null && (
            <>
              <Navigation current={signedIn.section} role={signedIn.session.role} />
              <SignOut session={signedIn.session} formToken={signedIn.formToken} />
            </>
          )}
        </header>
        <main
          id="main"
          tabindex={-1}
          data-live-source={
            signedIn === null ? undefined : `${BASE}/live?since=${signedIn.revision}`
          }
        >
          <h1>{title}</h1>
          {children}
        </main>
      </body>
    </html>
  </>
)

/** A part that changes while it is looked at: the script replaces it when its content changed. */
export const Live = ({ id, children }: { id: string; children?: Child }) => (
  <div id={id} data-live>
    {children}
  </div>
)
