/** Whether what an agent said is ACP v2, by the schemas of the SDK, which it exports no other way. */
import { expect } from 'vitest';
import * as schemas from '../../node_modules/@agentclientprotocol/sdk/dist/v2/schema/zod.gen.js';

/** Every update and request of v2 is read by its schema, and says nothing that the schema does not keep. */
export function expectV2(messages: readonly { readonly method?: string; readonly params?: unknown }[]): void {
  for (const { method, params } of messages) {
    const schema =
      method === 'session/update'
        ? schemas.zUpdateSessionNotification
        : method === 'session/request_permission'
          ? schemas.zRequestPermissionRequest
          : null;
    if (!schema) continue;
    const read = schema.safeParse(params);
    expect(read.error, JSON.stringify(params)).toBeUndefined();
  }
}
