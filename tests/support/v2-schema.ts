/** Whether what an agent said is ACP v2, by the schemas of the SDK, which it exports no other way. */
import { expect } from 'vitest';
import * as schemas from '../../node_modules/@agentclientprotocol/sdk/dist/v2/schema/zod.gen.js';

/** What is wrong with an update or a request of v2, which is read by its schema; null when nothing is. */
export function faultOfV2({ method, params }: { readonly method?: string; readonly params?: unknown }): string | null {
  const schema =
    method === 'session/update'
      ? schemas.zUpdateSessionNotification
      : method === 'session/request_permission'
        ? schemas.zRequestPermissionRequest
        : null;
  const error = schema?.safeParse(params).error;
  return error ? `${error.message} in ${JSON.stringify(params)}` : null;
}

export function expectV2(messages: readonly { readonly method?: string; readonly params?: unknown }[]): void {
  for (const message of messages) expect(faultOfV2(message)).toBeNull();
}
