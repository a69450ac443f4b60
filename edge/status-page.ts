import { readFileSync } from 'node:fs';

/** One file of the page that shows a person what `GET /api/v1/status` says. */
export interface PageFile {
  body: string;
  headers: { readonly [name: string]: string };
}

/** Names of topics may be hostile: nothing runs or loads but our own files. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Plain files beside the code, read once. By path: `/`, `/page.css`, `/page.js`. */
export function loadPage(folder = new URL('./status-page/', import.meta.url)) {
  const file = (name: string, type: string): PageFile => ({
    body: readFileSync(new URL(name, folder), 'utf8'),
    headers: { 'content-type': `${type}; charset=utf-8`, 'content-security-policy': policy },
  });
  return {
    '/': file('index.html', 'text/html'),
    '/page.css': file('page.css', 'text/css'),
    '/page.js': file('page.js', 'text/javascript'),
  };
}
