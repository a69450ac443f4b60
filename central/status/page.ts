import { readdirSync, readFileSync } from 'node:fs';
import type { Route } from './app.ts';

/** The dashboard: plain files beside the code, read once, answered under their exact names only. */
export interface Page {
  routes: Route[];
}

const types: { readonly [extension: string]: string } = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
};

export function loadPage(folder = new URL('./page/', import.meta.url)): Page {
  const routes = readdirSync(folder).flatMap((name): Route[] => {
    const type = types[name.slice(name.lastIndexOf('.') + 1)];
    if (type === undefined) return [];
    const body = readFileSync(new URL(name, folder));
    const headers = { 'content-type': type, 'cache-control': 'no-cache' };
    const path = name === 'index.html' ? '/' : `/${name}`;
    return [{ path, get: (c) => c.body(body, 200, headers) }];
  });
  return { routes };
}
