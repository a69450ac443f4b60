import { auditPaths, auditSchemas } from './audit.ts';
import { authorityPaths, authoritySchemas } from './authority.ts';
import { browsePaths, browseSchemas } from './browse.ts';
import { centralPaths, centralSchemas } from './central.ts';
import { edgePaths, edgeSchemas } from './edges.ts';
import { flowPaths, flowSchemas } from './flows.ts';
import { groupsPaths, groupsSchemas } from './groups.ts';
import { ledgerPaths, ledgerSchemas } from './ledger.ts';
import type { Schema } from './schema.ts';

const description = [
  'Times are ISO 8601 UTC, durations seconds, sizes bytes; what is not known is null. GET paths',
  'answer HEAD too. Errors are {"error":{code, message, hint}}: 400 names the parameter and its',
  'value, 405 carries Allow, 421 means a Host header that is not a name of this listener.',
].join(' ');

/** What central's status listener really answers; test/central/status checks answers against it. */
export const openapiDocument = (version: string) => ({
  openapi: '3.1.0',
  info: {
    title: 'Tributary central: status API',
    version,
    description,
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  paths: {
    ...edgePaths,
    ...flowPaths,
    ...ledgerPaths,
    ...browsePaths,
    ...groupsPaths,
    ...auditPaths,
    ...authorityPaths,
    ...centralPaths,
  } as { [path: string]: Schema },
  components: {
    schemas: {
      ...edgeSchemas,
      ...flowSchemas,
      ...ledgerSchemas,
      ...browseSchemas,
      ...groupsSchemas,
      ...auditSchemas,
      ...authoritySchemas,
      ...centralSchemas,
    } as { [name: string]: Schema },
  },
});
