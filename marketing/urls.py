from django.urls import path

from marketing.api import api
from marketing.views import ask, campaigns, dormancy, home, inbox, my_data, next_actions, recommender, segments, tags
from marketing.views.beacon import beacon
from marketing.views.following import followed_fund_list, fund_follow, fund_unfollow
from marketing.views.suggestions import fund_suggestions_slot, suggestion_decline, suggestion_take_back, suggestions_slot

urlpatterns = [
    # marketers
    path("", home.marketing_home, name="marketing_home"),
    path("dormancy/", dormancy.dormancy, name="dormancy"),
    path("refresh/", home.overview_refresh, name="overview_refresh"),
    path("metrics/<slug:metric>/", home.metric, name="metric"),
    path("metrics/<slug:metric>/alerts/", home.metric_alert_new, name="metric_alert_new"),
    path("alerts/<int:pk>/seen/", home.metric_alert_seen, name="metric_alert_seen"),
    path("alerts/<int:pk>/stop/", home.metric_alert_stop, name="metric_alert_stop"),
    path("ask/", ask.ask, name="ask"),
    path("ask/keep/", ask.ask_save, name="ask_save"),
    path("ask/kept/<int:pk>/", ask.ask_saved, name="ask_saved"),
    path("ask/kept/<int:pk>/forget/", ask.ask_forget, name="ask_forget"),
    path("ask/<slug:kind>/", ask.ask_kind, name="ask_kind"),
    path("segments/", segments.segment_list, name="segment_list"),
    path("segments/new/", segments.segment_new, name="segment_new"),
    path("segments/preview/", segments.segment_preview, name="segment_preview"),
    path("segments/<int:pk>/", segments.segment, name="segment"),
    path("segments/<int:pk>/edit/", segments.segment_edit, name="segment_edit"),
    path("segments/<int:pk>/delete/", segments.segment_delete, name="segment_delete"),
    path("segments/<int:pk>/overlap/", segments.segment_overlap, name="segment_overlap"),
    path("segments/<int:pk>/export/", segments.segment_export, name="segment_export"),
    path("segments/exports/<int:pk>/take/", segments.segment_export_take, name="segment_export_take"),
    path("tags/", tags.tag_list, name="tag_list"),
    path("tags/new/", tags.tag_new, name="tag_new"),
    path("tags/<slug:tag>/", tags.tag, name="tag"),
    path("tags/<slug:tag>/overlap/", tags.tag_overlap, name="tag_overlap"),
    path("tags/<slug:tag>/retire/", tags.tag_retire, name="tag_retire"),
    path("next-actions/", next_actions.next_actions, name="next_actions"),
    path("campaigns/", campaigns.campaign_list, name="campaign_list"),
    path("campaigns/new/", campaigns.campaign_new, name="campaign_new"),
    path("campaigns/<int:pk>/", campaigns.campaign, name="campaign"),
    path("campaigns/<int:pk>/edit/", campaigns.campaign_edit, name="campaign_edit"),
    path("campaigns/<int:pk>/launch/", campaigns.campaign_launch, name="campaign_launch"),
    path("campaigns/<int:pk>/pause/", campaigns.campaign_pause, name="campaign_pause"),
    path("campaigns/<int:pk>/resume/", campaigns.campaign_resume, name="campaign_resume"),
    path("campaigns/<int:pk>/cancel/", campaigns.campaign_cancel, name="campaign_cancel"),
    path("campaigns/<int:pk>/progress/", campaigns.campaign_progress, name="campaign_progress"),
    path("recommender/", recommender.recommender, name="recommender"),
    path("recommender/check/", recommender.recommender_check, name="recommender_check"),
    path("recommender/train/", recommender.recommender_train, name="recommender_train"),
    path("recommender/runs/", recommender.recommender_run_list, name="recommender_run_list"),
    path("recommender/runs/<int:pk>/", recommender.recommender_run, name="recommender_run"),
    path("recommender/runs/<int:pk>/progress/", recommender.recommender_run_progress, name="recommender_run_progress"),
    # investors' messages
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<int:pk>/", inbox.message, name="message"),
    # investors' own data
    path("my-data/", my_data.my_data, name="my_data"),
    path("my-data/copy/", my_data.my_data_export, name="my_data_export"),
    path("my-data/erase/", my_data.my_data_erase, name="my_data_erase"),
    path("my-data/erase/take-back/", my_data.my_data_erase_withdraw, name="my_data_erase_withdraw"),
    path("unsubscribe/<str:token>/", inbox.unsubscribe, name="unsubscribe"),
    path("beacon/", beacon, name="beacon"),
    # other systems
    path("api/v1/", api.urls),
    # advisors
    path("clients/<int:investor>/tags/", tags.client_tags_slot, name="client_tags_slot"),
    path("clients/<int:investor>/next-action/", next_actions.client_next_action_slot, name="client_next_action_slot"),
    # what an investor follows
    path("following/", followed_fund_list, name="followed_fund_list"),
    path("following/<str:code>/follow/", fund_follow, name="fund_follow"),
    path("following/<str:code>/stop/", fund_unfollow, name="fund_unfollow"),
    # suggestions
    path("suggestions/", suggestions_slot, name="suggestions_slot"),
    path("suggestions/beside/<str:code>/", fund_suggestions_slot, name="fund_suggestions_slot"),
    path("suggestions/<str:code>/decline/", suggestion_decline, name="suggestion_decline"),
    path("suggestions/<str:code>/take-back/", suggestion_take_back, name="suggestion_take_back"),
]
