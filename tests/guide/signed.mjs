// The guide's JavaScript receiver that verifies signatures, as printed.
import crypto from 'crypto';

export async function POST(request) {
  const signature = request.headers.get('X-Allure-Signature');
  const algorithm = request.headers.get('X-Allure-Signature-Algorithm') || 'sha256';
  const body = await request.text();
  
  // Get your webhook secret (from environment or database)
  const secret = process.env.WEBHOOK_SECRET;
  
  // Compute expected signature
  const expectedSignature = crypto
    .createHmac(algorithm, secret)
    .update(body)
    .digest('hex');
  
  // Verify signature
  if (signature !== expectedSignature) {
    return new Response('Invalid signature', { status: 401 });
  }
  
  // Process webhook
  const event = JSON.parse(body);
  await handleWebhookEvent(event);
  
  return new Response('OK', { status: 200 });
}
